"""A fit leaves a report of itself, also when it is interrupted."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from callbacks import RunReport
from tests.support.command_line import QUIET, tiny, write
from wasserstein_critics.cli.app import command_line

pytestmark = QUIET


class Stop(Callback):
    def on_train_batch_end(self, *_: Any) -> None:
        raise InterruptedError


def test_a_fit_ends_with_the_path_of_its_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tiny(log_every_n_steps=1))
    command_line(["fit", "--config", "tiny.yaml"])
    said = re.findall(r"report: (\S+)", capsys.readouterr().err)
    assert said == ["runs/tiny/version_0/report.html"]
    page = Path(said[0]).read_text()
    # the values of the last step are there, and how the run ended
    assert "train/wasserstein" in page
    assert "0 to 2 in" in page
    assert "[2," in page


def test_an_interrupted_fit_leaves_a_report_that_says_so() -> None:
    write(tiny(log_every_n_steps=1))
    with pytest.raises(InterruptedError):
        command_line(["fit", "--config", "tiny.yaml"], callbacks=[Stop()])
    page = Path("runs/tiny/version_0/report.html").read_text()
    assert "interrupted: the run did not end" in page


def test_a_report_without_curves_says_so_and_what_to_add(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tiny(logger=False))
    command_line(["fit", "--config", "tiny.yaml"])
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith("report: ")
    assert "without curves: no logger of the run writes metrics.csv" in said


def test_the_report_changes_no_weight() -> None:
    write(tiny())
    weights = []
    for own in ([], [RunReport()]):
        cli = command_line(["fit", "--config", "tiny.yaml"], callbacks=own)
        weights.append(torch.cat([p.flatten() for p in cli.model.parameters()]))
    assert torch.equal(*weights)
