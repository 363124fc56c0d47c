"""The choice of Amazon's settings never sees a label of the target."""

import json
from pathlib import Path

import pytest
import torch

from scripts import select_amazon
from scripts.select_amazon import CANDIDATES, Candidate, arguments, measure, ranking
from tests.datamodules.feature_sets import counts, labels, write
from train import command_line

KEYS = ("source_accuracy", "target_entropy", "target_im", "disagreement")


def keep(folder: Path, candidate: str, source_accuracy: float, differ: float) -> None:
    values = dict(zip(KEYS, (source_accuracy, 0.4, 0.3, differ), strict=True))
    tasks = {"books-dvd": values, "dvd-books": values}
    (folder / f"{candidate}.json").write_text(json.dumps({"tasks": tasks}))


def test_the_least_disagreement_wins_among_those_that_know_the_source(
    tmp_path: Path,
) -> None:
    keep(tmp_path, "authors", 0.860, 0.07)
    keep(tmp_path, "averaged", 0.851, 0.06)
    keep(tmp_path, "averaged-ramp", 0.849, 0.01)  # too much worse on the source
    keep(tmp_path, "mmd-0.5", 0.900, 0.02)  # another method's
    found = ranking("wdgrl", tmp_path)
    assert [row["candidate"] for row in found] == [
        "averaged",
        "authors",
        "averaged-ramp",
    ]
    assert [row["admissible"] for row in found] == [True, True, False]
    assert ranking("coral", tmp_path) == []


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_every_candidate_is_a_command_line(
    candidate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command_line(
            ["fit", *arguments(candidate, "books", "dvd", 0), "--print_config"]
        )
    assert stop.value.code == 0
    averaged = "callbacks.WeightEMA" in capsys.readouterr().out
    assert averaged == (candidate != "authors")


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two kinds of goods, one task, two steps."""
    root = tmp_path / "amazon_reviews"
    root.mkdir()
    for seed, name in enumerate(("books_train", "books_test", "dvd_train", "dvd_test")):
        rows = counts(40, 5000, seed, share=0.004)
        write(root / f"{name}.svmlight", rows, labels(40, seed=seed))
    chosen = tmp_path / "chosen"
    monkeypatch.setenv("WASSERSTEIN_DATA", str(tmp_path))
    monkeypatch.setattr(select_amazon, "CHOSEN", chosen)
    monkeypatch.setattr(select_amazon, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(select_amazon, "TASKS", (("books", "dvd"),))
    monkeypatch.setattr(select_amazon, "STEPS", 2)
    quick = Candidate(("--data.batch_size=4", "--trainer.accelerator=cpu"))
    monkeypatch.setitem(CANDIDATES, "quick", quick)
    return root


def test_a_candidate_is_measured_without_the_target_s_labels(
    reviews: Path, tmp_path: Path
) -> None:
    measure("quick")
    before = json.loads((tmp_path / "chosen" / "quick.json").read_text())
    for part in ("train", "test"):
        path = reviews / f"dvd_{part}.svmlight"
        text = path.read_text().splitlines()
        swapped = {"-1": "1", "1": "-1", "+1": "-1"}
        words = (line.split(" ", 1) for line in text)
        path.write_text("".join(f"{swapped[y]} {x}\n" for y, x in words))
    measure("quick")
    after = json.loads((tmp_path / "chosen" / "quick.json").read_text())
    assert before["tasks"] == after["tasks"]
    assert set(before["tasks"]["books-dvd"]) == set(KEYS)
    assert 0 < before["tasks"]["books-dvd"]["disagreement"] < 1
    assert not any("target_accuracy" in key for key in before["tasks"]["books-dvd"])


@pytest.mark.usefixtures("reviews")
def test_the_blindfold_hides_the_labels_before_training() -> None:
    blindfold = select_amazon.Blindfold()
    cli = command_line(
        ["fit", *arguments("quick", "books", "dvd", 0)], callbacks=[blindfold]
    )
    assert torch.equal(
        cli.datamodule.domains.target_test.y.unique(), torch.tensor([-1])
    )
    assert len(blindfold.predicted) == 40
    assert "val/source_accuracy" in cli.trainer.callback_metrics
    assert not any("target_accuracy" in key for key in cli.trainer.callback_metrics)
