"""A setting of adaptation, picked without target labels."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_modules import CORAL, DANN, WDGRL
from wasserstein_critics.__main__ import main
from wasserstein_critics.select import (
    SETTINGS,
    SOURCE_ONLY,
    Trial,
    contradicts,
    picked,
    settings_of,
)

SHORT = [
    "--config=wdgrl/feature_domains",
    "--data.source=one.npz",
    "--data.target=other.npz",
    "--trainer.max_steps=4",
    "--trainer.val_check_interval=4",
    "--trainer.enable_progress_bar=false",
    "--trainer.callbacks=null",
]


def write_domains(answers: int = 0) -> None:
    """Two domains; target labels that are right, or all alike."""
    random = np.random.default_rng(0)
    for name, shift in (("one", 0), ("other", 1)):
        y = np.arange(60) % 2
        x = random.standard_normal((60, 3)) + 4 * y[:, None] + shift
        labels = y if name == "one" or not answers else y * 0
        np.savez(f"{name}.npz", x=x, y=labels)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two settings of `select`."""
    settings = {name: SETTINGS[name] for name in (SOURCE_ONLY, "auto")}
    monkeypatch.setattr("wasserstein_critics.select.SETTINGS", settings)
    return settings


def rows(path: str) -> list[dict[str, str]]:
    with Path(path).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.long("four runs")
def test_settings_are_trained_and_target_labels_change_nothing(
    few: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tables = []
    for answers in (0, 1):
        write_domains(answers)
        folder = f"--trainer.logger.init_args.save_dir=runs{answers}"
        assert main(["select", *SHORT, folder]) == 0
        tables.append(rows(f"runs{answers}/wdgrl-one-other/selection.csv"))
    assert [row["setting"] for row in tables[0]] == list(few)
    assert float(tables[0][0]["as_source_only"]) == 1
    for one, other in zip(*tables, strict=True):
        for judge in ("agreement", "iwcv", "dev"):
            assert one[judge] == other[judge] != ""
        assert Path(one["run"], "config.yaml").is_file()
    accuracies = [[row["target_accuracy"] for row in table] for table in tables]
    assert accuracies[0] != accuracies[1]
    picks = [line for line in capsys.readouterr().out.splitlines() if "picked" in line]
    settings = [line.split(";")[0] for line in picks]
    assert settings[0] == settings[1]


def trial(
    setting: str, agreement: float, error: float = 0.0, kept: float = 0.9
) -> Trial:
    run = "runs/x/version_0"
    return Trial(setting, agreement, error, kept, 0.9, None, None, None, run)


def test_source_only_stays_unless_another_is_clearly_better() -> None:
    plain, within = trial(SOURCE_ONLY, 0.5), trial("auto", 0.54, error=0.021)
    assert picked([plain, within]) is plain
    clear = trial("auto", 0.54, error=0.019)
    assert picked([plain, clear]) is clear
    assert picked([plain, trial("weight 1", 0.6, error=0.06), clear]) is clear
    assert picked([plain, trial("weight 1", 0.4)]) is plain


def test_what_contradicts_source_only_on_most_rows_is_not_picked() -> None:
    plain, odd = trial(SOURCE_ONLY, 0.05), trial("auto", 0.2, kept=0.49)
    assert contradicts(odd)
    assert picked([plain, odd]) is plain
    half = trial("auto, share 1", 0.1, kept=0.5)
    assert picked([plain, odd, half]) is half


@pytest.mark.long("two runs")
@pytest.mark.usefixtures("few")
def test_what_is_left_out_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wasserstein_critics.select.MAJORITY", 1.1)
    monkeypatch.setattr("wasserstein_critics.select.picked", lambda trials: trials[0])
    write_domains()
    assert main(["select", *SHORT]) == 0
    out = capsys.readouterr().out
    assert f"left out: {SOURCE_ONLY}, auto; most rows have another class" in out


def test_a_method_has_the_settings_that_it_can_have() -> None:
    assert list(settings_of(WDGRL)) == list(SETTINGS)[:4]
    assert not any("label_shift" in options for options in settings_of(CORAL).values())
    weights = [options["transfer_weight"] for options in settings_of(DANN).values()]
    assert weights == [0, 0.1, 1.0]


@pytest.mark.parametrize("config", ["source_only/feature_domains", "wgan_gp/ring8"])
def test_other_methods_are_refused_before_anything_is_trained(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_domains()
    words = [f"--config={config}", *SHORT[1:]] if "source" in config else SHORT[3:]
    assert main(["select", f"--config={config}", *words]) == 2
    assert "error: " in capsys.readouterr().err
    assert not Path("runs").exists()
