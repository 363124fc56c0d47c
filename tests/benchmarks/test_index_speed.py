"""The points that indices are timed on, and the lines that are kept."""

import csv

import pytest

pytest.importorskip("faiss")

from benchmarks.index_speed import clustered, measure


def test_points_lie_in_the_ball_and_near_others() -> None:
    points = clustered(2_000, seed=0)
    norms = points.norm(dim=1)
    assert float(norms.max()) == pytest.approx(1, rel=1e-5)
    assert (points == clustered(2_000, seed=0)).all()


def test_every_kind_has_a_line_and_misses_little() -> None:
    rows = list(csv.reader(measure(4_000)))
    assert [row[0] for row in rows] == ["flat", "hnsw", "ivf"]
    for _, n, _, rate, recall in rows:
        assert (int(n), int(rate) > 0) == (4_000, True)
        assert float(recall) >= 0.98
    assert float(rows[0][-1]) == 1
