"""The points that indices are timed on, and the rows that are kept."""

import pytest

pytest.importorskip("faiss")

from benchmarks.index_speed import clustered, index_speed


def test_points_lie_in_the_ball_and_near_others() -> None:
    points = clustered(2_000, seed=0)
    norms = points.norm(dim=1)
    assert float(norms.max()) == pytest.approx(1, rel=1e-5)
    assert (points == clustered(2_000, seed=0)).all()


def test_every_kind_has_a_row_and_misses_little() -> None:
    rows = index_speed(4_000)
    assert [row["index"] for row in rows] == ["flat", "hnsw", "ivf"]
    for row in rows:
        assert row["points"] == 4_000
        assert int(str(row["queries per second"])) > 0
        assert float(str(row["recall@10"])) >= 0.98
    assert rows[0]["recall@10"] == "1.0000"
