"""How often adaptation does harm on domains that no setting was chosen on."""

from typing import Any

import pytest

from experiments import safe_adaptation
from experiments.domain_pairs import draw_pair
from experiments.safe_adaptation import FIXED, SCORES, lines, measured, summary
from wasserstein_critics.select import SETTINGS, SOURCE_ONLY

SMALL = 1010  # 126 and 210 rows of 12 columns


def record(plain: float, auto: float, fixed: float, picked: str) -> dict[str, Any]:
    values = {SOURCE_ONLY: plain, "auto": auto, FIXED: fixed}
    scores = dict.fromkeys(SCORES, 0.5)
    settings = {name: {"target_accuracy": v, **scores} for name, v in values.items()}
    settings["auto"]["target_entropy"] = 0.4
    return {"settings": settings, "picked": picked}


def test_gains_and_regrets_are_those_of_the_pairs() -> None:
    found = summary(
        [
            record(0.80, 0.83, 0.70, "auto"),
            record(0.90, 0.885, 0.95, SOURCE_ONLY),
        ]
    )
    rows = {row.pop("setting"): list(row.values()) for row in found}
    assert rows["auto"] == pytest.approx([0.75, -1.5, 3.0, 0.5, 0.0, 0.75])
    assert rows[FIXED] == pytest.approx([-2.5, -10.0, 5.0, 0.5, 0.5, 4.0])
    assert rows["select"] == pytest.approx([1.5, 0.0, 3.0, 0.0, 0.0, 0.0])
    assert rows["oracle"] == rows["select"]
    assert rows["by target_entropy"] == rows["auto"]
    assert rows["by target_im"] == rows[SOURCE_ONLY]
    assert len(list(lines(found))) == 5 + len(SCORES)


def test_a_pair_is_trained_with_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: SETTINGS[name] for name in (SOURCE_ONLY, "auto")}
    monkeypatch.setattr("wasserstein_critics.select.SETTINGS", few)
    steps = ["--trainer.max_steps=2", "--trainer.val_check_interval=2"]
    found = measured(SMALL, *steps)
    assert found["columns"] == 12
    assert found["rows"] == [126, 210]
    assert set(found["shifts"]) == set(draw_pair(SMALL).shifts)
    assert list(found["settings"]) == [*few, FIXED]
    for numbers in found["settings"].values():
        assert 0 <= numbers["target_accuracy"] <= 1
    assert found["picked"] in found["settings"]
    assert safe_adaptation.pair_file().name(found) == str(SMALL)
