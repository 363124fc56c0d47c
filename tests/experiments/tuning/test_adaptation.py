"""The choice of a table's settings never sees a label of the target."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments.results.tables import TABLES
from experiments.tuning import adaptation as select_settings
from experiments.tuning.adaptation import arguments, measure, ranking
from experiments.tuning.adaptation_candidates import CHOICES, Candidate, Choice
from tests.support.feature_sets import counts, labels, write
from wasserstein_critics.cli.app import command_line

KEYS = ("source_accuracy", "target_entropy", "target_im", "disagreement")


EVERY = [(choice, name) for choice in CHOICES for name in CHOICES[choice].candidates]
QUICK = Candidate(
    "amazon_authors",
    ("--data.batch_size=4", "--trainer.accelerator=cpu"),
    steps=2,
)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where candidates are kept, apart from those of the repository."""
    monkeypatch.setattr(select_settings, "SELECTION", tmp_path / "selection")
    monkeypatch.setattr(select_settings, "RUNS", tmp_path / "runs")
    return tmp_path / "selection"


def keep(kept: Path, candidate: str, source_accuracy: float, differ: float) -> None:
    values = dict(zip(KEYS, (source_accuracy, 0.4, 0.3, differ), strict=True))
    tasks = {"books-dvd": values, "dvd-books": values}
    path = kept / "amazon" / f"{candidate}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"tasks": tasks}))


def test_the_least_disagreement_wins_among_those_that_know_the_source(
    kept: Path,
) -> None:
    keep(kept, "authors", 0.860, 0.07)
    keep(kept, "averaged", 0.851, 0.06)
    keep(kept, "averaged-ramp", 0.849, 0.01)  # too much worse on the source
    keep(kept, "mmd-0.5", 0.900, 0.02)  # another method's
    found = ranking("amazon", "wdgrl")
    names = ["averaged", "authors", "averaged-ramp"]
    assert [row["candidate"] for row in found] == names
    assert [row["admissible"] for row in found] == [True, True, False]
    assert ranking("amazon", "coral") == []


@pytest.mark.parametrize(("choice", "name"), EVERY)
def test_every_candidate_is_a_command_line(
    choice: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = CHOICES[choice].candidates[name]
    task = TABLES[CHOICES[choice].table].tasks[0]
    with pytest.raises(SystemExit) as stop:
        command_line(["fit", *arguments(choice, candidate, task, 0), "--print_config"])
    assert stop.value.code == 0
    averaged = "callbacks.WeightEMA" in capsys.readouterr().out
    assert averaged == (name not in ("authors", "plain", "strong"))


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two kinds of goods, one task, two steps."""
    root = tmp_path / "amazon_reviews"
    for seed, name in enumerate(("books_train", "books_test", "dvd_train", "dvd_test")):
        rows = counts(40, 5000, seed, share=0.004)
        write(root / f"{name}.svmlight", rows, labels(40, seed=seed))
    table = replace(TABLES["wdgrl-amazon"], tasks=("books-dvd",))
    monkeypatch.setenv("WASSERSTEIN_DATA", str(tmp_path))
    monkeypatch.setitem(TABLES, "wdgrl-amazon", table)
    monkeypatch.setitem(CHOICES, "quick", Choice("wdgrl-amazon", {"quick": QUICK}))
    return root


def test_a_candidate_is_measured_without_the_target_s_labels(
    reviews: Path, kept: Path
) -> None:
    measure("quick", "quick")
    before = json.loads((kept / "quick" / "quick.json").read_text())
    swapped = {"-1": "1", "1": "-1"}
    for part in ("train", "test"):
        path = reviews / f"dvd_{part}.svmlight"
        words = (line.split(" ", 1) for line in path.read_text().splitlines())
        path.write_text("".join(f"{swapped[y]} {x}\n" for y, x in words))
    measure("quick", "quick")
    after = json.loads((kept / "quick" / "quick.json").read_text())
    assert before["tasks"] == after["tasks"]
    assert set(before["tasks"]["books-dvd"]) == set(KEYS)
    assert 0 < before["tasks"]["books-dvd"]["disagreement"] < 1


@pytest.mark.usefixtures("reviews")
def test_the_blindfold_hides_the_labels_before_training() -> None:
    blindfold = select_settings.Blindfold()
    words = arguments("quick", QUICK, "books-dvd", 0)
    cli = command_line(["fit", *words], callbacks=[blindfold])
    hidden = cli.datamodule.domains.target_test.y
    assert torch.equal(hidden.unique(), torch.tensor([-1]))
    assert len(blindfold.predicted) == 40
    found = cli.trainer.callback_metrics
    assert "val/source_accuracy" in found
    assert not any("target_accuracy" in key for key in found)
