"""WDGRL beside the reference implementation."""

from benchmarks.steps import wdgrl_speed


def test_dense_and_sparse_rows_are_timed_with_both() -> None:
    rows = wdgrl_speed(2, steps=2)
    assert [row["rows held"] for row in rows] == ["dense", "sparse"]
    for row in rows:
        ours, theirs = row["steps per second"], row["reference implementation"]
        ratio = float(ours) / float(theirs)
        assert abs(float(row["times as fast"]) - ratio) < 0.1
