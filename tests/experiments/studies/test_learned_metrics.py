"""Figures of metrics learnt on several splits."""

import pytest

from experiments.studies import learned_metrics


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
