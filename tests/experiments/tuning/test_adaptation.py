"""The choice of a table's settings never sees a label of the target."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.records import Record
from experiments.results.tables import TABLES
from experiments.tuning.adaptation import (
    SEARCHES,
    Blindfold,
    arguments,
    describe,
    evaluate,
    rank,
    rank_by_vote,
    table_of,
)
from experiments.tuning.candidates import AdaptationCandidate
from experiments.tuning.search import Search
from experiments.tuning.votes import agreement, packed
from tests.support.feature_sets import counts, labels, write
from wasserstein_critics.cli.app import command_line

pytestmark = pytest.mark.usefixtures("docs")
KEYS = ("source_accuracy", "target_entropy", "target_im", "disagreement")


EVERY = [(data, name) for data in SEARCHES for name in SEARCHES[data].candidates]
QUICK = AdaptationCandidate(
    "wdgrl",
    ("--data.batch_size=4", "--trainer.accelerator=cpu"),
    "amazon_authors",
    steps=2,
)


def record(candidate: str, source_accuracy: float, differ: float) -> dict[str, Any]:
    values = dict(zip(KEYS, (source_accuracy, 0.4, 0.3, differ), strict=True))
    return {"candidate": candidate, "tasks": {"books-dvd": values, "dvd-books": values}}


def test_the_least_disagreement_wins_among_those_that_know_the_source() -> None:
    ranked = rank(
        [
            record("authors", 0.860, 0.07),
            record("averaged", 0.851, 0.06),
            record("averaged-ramp", 0.849, 0.01),  # too much worse on the source
        ],
        [],
    )
    names = ["averaged", "authors", "averaged-ramp"]
    assert [row["candidate"] for row in ranked] == names
    assert [row["admissible"] for row in ranked] == [True, True, False]
    assert describe(ranked[0]) == (
        "disagreement 6.00 %, source accuracy 85.10 %, IM 0.3000"
    )
    assert describe(ranked[2]).endswith(", not admissible")
    assert rank([], []) == []


def voting(candidate: str, source_accuracy: float, *runs: Sequence[int]) -> Record:
    """A candidate of one task, with what its seeds predict."""
    record = {"source_accuracy": source_accuracy, "target_im": 0.1}
    predicted = [packed(torch.tensor(run)) for run in runs]
    return {"candidate": candidate, "tasks": {"a-b": record | {"predicted": predicted}}}


def test_most_agreement_with_the_vote_of_all_methods_wins() -> None:
    own = [
        voting("mmd-1", 0.8, [0, 1, 1, 2], [0, 1, 2, 2]),
        voting("mmd-2", 0.8, [0, 0, 0, 0], [0, 0, 0, 0]),  # two seeds that agree
        voting("mmd-3", 0.7, [0, 1, 2, 2], [0, 1, 2, 2]),  # forgot the source
    ]
    others = [voting("dann-1", 0.8, [0, 1, 2, 1], [0, 0, 1, 1])]
    ranked = rank_by_vote(own, own + others)
    # votes: 0 eight times; 1 five of eight; 2 four of eight; 2 four of eight
    assert [row["candidate"] for row in ranked] == ["mmd-1", "mmd-2", "mmd-3"]
    assert [row["agreement"] for row in ranked] == [7 / 8, 1 / 4, 1.0]
    assert describe(ranked[0]).startswith("agreement 87.50 %, source accuracy 80.00 %")
    assert rank_by_vote([], others) == []


def test_classes_of_equally_many_votes_share_the_row() -> None:
    voters = [voting("a", 1.0, [0]), voting("b", 1.0, [2]), voting("c", 1.0, [1])]
    assert agreement(voters, voters + voters[:2]) == [0.5, 0.5, 0.0]


@pytest.mark.parametrize(("data", "name"), EVERY)
def test_every_candidate_is_a_command_line(
    data: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = SEARCHES[data].candidates[name]
    task = table_of(data).tasks[0]
    with pytest.raises(SystemExit) as stop:
        command_line(["fit", *arguments(data, candidate, task, 0), "--print_config"])
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
    return root


def test_a_candidate_is_evaluated_without_the_target_s_labels(reviews: Path) -> None:
    search = Search("amazon", {"quick": QUICK}, evaluate, rank, describe)
    before = evaluate(search, "quick")
    swapped = {"-1": "1", "1": "-1"}
    for part in ("train", "test"):
        path = reviews / f"dvd_{part}.svmlight"
        words = (line.split(" ", 1) for line in path.read_text().splitlines())
        path.write_text("".join(f"{swapped[y]} {x}\n" for y, x in words))
    after = evaluate(search, "quick")
    assert before["tasks"] == after["tasks"]
    assert set(before["tasks"]["books-dvd"]) == {*KEYS, "predicted"}
    assert 0 < before["tasks"]["books-dvd"]["disagreement"] < 1


@pytest.mark.usefixtures("reviews")
def test_the_blindfold_hides_the_labels_before_training() -> None:
    blindfold = Blindfold()
    words = arguments("amazon", QUICK, "books-dvd", 0)
    cli = command_line(["fit", *words], callbacks=[blindfold])
    hidden = cli.datamodule.domains.target_test.y
    assert torch.equal(hidden.unique(), torch.tensor([-1]))
    assert len(blindfold.predicted) == 40
    logged = cli.trainer.callback_metrics
    assert "val/source_accuracy" in logged
    assert not any("target_accuracy" in key for key in logged)
