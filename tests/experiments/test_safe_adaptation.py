"""Domains drawn at random, and how often adaptation does harm there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import safe_adaptation
from experiments.domain_pairs import N_TEST, SHIFTS, Pair, draw_pair
from experiments.safe_adaptation import (
    FIXED,
    LOGGED,
    SCORES,
    lines,
    measured,
    measured_task,
    summary,
)
from tests.support.small_data import write_all
from wasserstein_critics.select import SETTINGS, SOURCE_ONLY

SMALL = 1010  # 126 and 210 rows of 12 columns


def record(plain: float, auto: float, fixed: float, picked: str) -> dict[str, Any]:
    values = {SOURCE_ONLY: plain, "auto": auto, FIXED: fixed}
    scores = dict.fromkeys(SCORES, 0.5)
    settings = {name: {"target_accuracy": v, **scores} for name, v in values.items()}
    settings["auto"]["target_entropy"] = 0.4
    return {"settings": settings, "picked": picked}


def test_gains_and_regrets_are_those_of_the_pairs() -> None:
    older = record(0.90, 0.885, 0.95, SOURCE_ONLY)
    for numbers in older["settings"].values():
        del numbers["dev"]
    found = summary([record(0.80, 0.83, 0.70, "auto"), older])
    rows = {row.pop("setting"): list(row.values()) for row in found}
    pairs = {name: row.pop(0) for name, row in rows.items()}
    assert {name for name, n in pairs.items() if n == 1} == {"by dev"}
    assert rows["by dev"] == pytest.approx([0, 0, 0, 0, 0, 3.0])
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


@pytest.mark.parametrize(
    ("table", "task", "options"),
    [
        ("wdgrl-amazon", "books-dvd", []),
        ("wdgrl-office-surf", "amazon-caltech10", []),
        ("wdgrl-digits", "mnist-usps", ["--data.n_val=5"]),
    ],
)
def test_tasks_of_a_table_are_trained_with_the_settings_of_select(
    table: str,
    task: str,
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_all(tmp_path)
    (tmp_path / "office_caltech10").symlink_to(tmp_path / "office")
    monkeypatch.setenv("WASSERSTEIN_DATA", str(tmp_path))
    few = {name: SETTINGS[name] for name in (SOURCE_ONLY, "auto")}
    monkeypatch.setattr("wasserstein_critics.select.SETTINGS", few)
    steps = ["--trainer.max_steps=2", "--trainer.val_check_interval=2"]
    found = measured_task(table, task, "--data.batch_size=8", *options, *steps)
    assert list(found["settings"]) == list(few)
    assert found["picked"] in few
    for numbers in found["settings"].values():
        assert 0 <= numbers["target_accuracy"] <= 1
        assert {*LOGGED, "iwcv", "dev"} <= numbers.keys()
    file = safe_adaptation.pair_file(table)
    assert file.name(found) == task
    assert file.path != safe_adaptation.pair_file().path


FIRST = [draw_pair(number) for number in range(6)]


def test_a_number_decides_a_pair() -> None:
    again = draw_pair(1)
    assert np.array_equal(again.source.x, FIRST[1].source.x)
    assert np.array_equal(again.target_test.y, FIRST[1].target_test.y)
    assert again.source.x.shape != FIRST[2].source.x.shape


@pytest.mark.parametrize("pair", FIRST)
def test_every_class_is_in_every_part_and_shifts_are_of_the_known_kinds(
    pair: Pair,
) -> None:
    for rows in (pair.source, pair.target, pair.target_test):
        assert set(rows.y) == set(range(pair.classes))
        assert np.isfinite(rows.x).all()
    assert len(pair.target_test.y) == N_TEST
    for kind, strength in pair.shifts.items():
        assert SHIFTS[kind][0] <= strength <= SHIFTS[kind][1]


def test_domains_without_a_shift_are_alike_and_others_are_not() -> None:
    def distance(pair: Pair) -> float:
        """Largest difference of two columns' means, in standard errors."""
        source, target = pair.source.x, pair.target_test.x
        spread = np.hypot(
            source.std(0) / len(source) ** 0.5, target.std(0) / len(target) ** 0.5
        )
        return float((np.abs(source.mean(0) - target.mean(0)) / spread).max())

    moved = next(n for n, pair in enumerate(FIRST) if "translation" in pair.shifts)
    assert distance(FIRST[moved]) > 5
    assert distance(draw_pair(moved, kinds=())) < 5


def test_files_do_not_show_the_classes_of_the_target(tmp_path: Path) -> None:
    options = FIRST[0].write(tmp_path)
    assert options[1] == f"--data.target={tmp_path / 'target.npz'}"
    with np.load(tmp_path / "target.npz") as file:
        assert file.files == ["x"]
    with np.load(tmp_path / "source.npz") as file:
        assert np.array_equal(file["y"], FIRST[0].source.y)
