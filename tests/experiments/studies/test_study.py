"""Claims with their bounds, rows that survive a file, and gains over several splits."""

import pytest

from experiments.records import csv_text
from experiments.studies import learned_metrics
from experiments.studies.study import Claim, Row, from_csv, select


def test_rows_come_back_from_csv_as_they_were() -> None:
    rows: list[Row] = [{"a": 1.0, "b": "x"}, {"a": 0.25, "c": 3.0}]
    assert from_csv(csv_text({"commit": "abc"}, rows)) == rows
    assert select(rows, a=1.0) == rows[:1]


@pytest.mark.parametrize(
    ("claim", "holds", "goal"),
    [
        (Claim("s", 0.5, low=1.0), False, "at least 1"),
        (Claim("s", 1.0, low=1.0), True, "at least 1"),
        (Claim("s", 2.0, high=1.0), False, "at most 1"),
        (Claim("s", 0.9, 0.8, 1.2), True, "0.8 to 1.2"),
        (Claim("s", float("nan"), 0.8, 1.2), False, "0.8 to 1.2"),
        (Claim("s", 7.0), True, "for comparison"),
    ],
)
def test_a_claim_holds_within_its_bounds(claim: Claim, holds: bool, goal: str) -> None:
    assert claim.holds == holds
    assert claim.goal == goal
    verdict = {True: "yes", False: "**no**"}[holds]
    assert claim.verdict == ("" if goal == "for comparison" else verdict)


def test_gains_are_over_the_euclidean_metric_on_the_same_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def learnt(_: str, __: str, split: int) -> tuple[float, float]:
        return 0.5, 0.75 if split else 0.25

    monkeypatch.setattr(learned_metrics, "learnt", learnt)
    monkeypatch.setattr(learned_metrics, "components", lambda *_: 0.5)
    rows = list(learned_metrics.evaluate("wine", range(2)))
    assert [row["method"] for row in rows] == [
        "euclidean",
        *learned_metrics.LOSSES,
        "nca",
    ]
    _, lmnn, *_, nca = rows
    assert (lmnn["accuracy"], lmnn["gain"], lmnn["worse_splits"]) == (50, 0, 1)
    assert lmnn["standard_error"] == pytest.approx(25)
    assert (nca["accuracy"], nca["standard_error"]) == (50, 0)
