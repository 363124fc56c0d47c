"""Work of a critic step by the machine's matrix product."""

import pytest

from benchmarks import work
from benchmarks.comparison import Goal


def test_the_share_of_the_limit_is_work_by_time_by_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "matrix_rate", lambda: 1e9)
    monkeypatch.setattr(work, "_time", lambda *_: 0.25)
    monkeypatch.setattr(work, "count", lambda _: 200_000_000)
    monkeypatch.setattr(work, "CASES", (("gan", "digits", 1, Goal(least=0.9)),))
    (row,) = work.work(rounds=2)
    assert row["share of the limit"] == "80%"
    assert row["goal"] == "at least 90%: **missed**"
