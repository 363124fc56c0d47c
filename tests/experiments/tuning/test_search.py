"""The harness of the searches: what is missing, what is kept, what is ranked."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments import jobs
from experiments.records import Record
from experiments.tuning import __main__ as command
from experiments.tuning import search as harness
from experiments.tuning.candidates import Candidate
from experiments.tuning.search import Search

pytestmark = pytest.mark.usefixtures("docs")
SCORES = {"a-1": 0.2, "a-2": 0.5, "b-1": 0.3}


def evaluate(search: Search[Candidate], name: str) -> dict[str, Any]:
    assert name in search.candidates
    return {"score": SCORES[name]}


def rank(found: Sequence[Record], _all: Sequence[Record]) -> list[Record]:
    return sorted(found, key=lambda record: -record["score"])


@pytest.fixture
def search() -> Search[Candidate]:
    candidates = {name: Candidate(name[0], ("--x=1",)) for name in SCORES}
    return Search("toys", candidates, evaluate, rank, lambda r: f"is {r['score']}")


def test_a_candidate_s_record_says_what_was_run(
    search: Search[Candidate], docs: Path
) -> None:
    search.execute("a-2")
    (record,) = search.file.read()
    assert search.file.path == docs / "results" / "selection" / "toys.jsonl"
    keys = ["candidate", "method", "options", "score", "commit", "hardware"]
    assert list(record) == keys
    assert (record["candidate"], record["options"]) == ("a-2", ["--x=1"])


def test_each_method_s_candidates_are_ranked_by_themselves(
    search: Search[Candidate],
) -> None:
    for name in SCORES:
        search.execute(name)
    assert [r["candidate"] for r in search.ranking()] == ["a-2", "a-1", "b-1"]
    assert [r["candidate"] for r in search.ranking(["b"])] == ["b-1"]


def test_only_missing_candidates_are_run(
    search: Search[Candidate],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: list[str] = []

    def run_all(waiting: list[jobs.Job], at_once: int, title: str) -> int:
        assert (at_once, title) == (2, "search toys")
        names.extend(job.words[-1] for job in waiting)
        return 0

    monkeypatch.setattr(harness, "run_all", run_all)
    search.execute("a-1")
    assert search.run(["a"], 2) == 0
    assert search.run(["a", "b"], 2) == 0
    assert names == ["a-2", "a-2", "b-1"]
    assert capsys.readouterr().out.startswith(f"{'a-1':30} is 0.2\n")


def test_an_unknown_word_is_answered_with_the_known_ones(
    search: Search[Candidate],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "searches", lambda: {"toys": search})
    monkeypatch.setattr(sys, "argv", ["tuning", "toys", "--one", "c"])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    assert "c is unknown: choose from a-1, a-2, b-1" in capsys.readouterr().err


def test_the_searches_have_names_of_their_own() -> None:
    known = command.searches()
    assert list(known) == [search.name for search in known.values()]
    assert len(known) == 6
