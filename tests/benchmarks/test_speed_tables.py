"""The benchmarks that docs/results.md shows: what is compared, and the rows."""

from pathlib import Path

import pytest

from benchmarks.index_speed import clustered, index_speed
from benchmarks.interactions_speed import (
    PREFIXES,
    interactions_speed,
    ready,
    write_pairs,
)
from benchmarks.ranking_speed import Evaluation
from benchmarks.steps import wdgrl_speed


def test_points_lie_in_the_ball_and_near_others() -> None:
    points = clustered(2_000, seed=0)
    norms = points.norm(dim=1)
    assert float(norms.max()) == pytest.approx(1, rel=1e-5)
    assert (points == clustered(2_000, seed=0)).all()


def test_every_kind_has_a_row_and_misses_little() -> None:
    pytest.importorskip("faiss")
    rows = index_speed(4_000)
    assert [row["index"] for row in rows] == ["flat", "hnsw", "ivf"]
    for row in rows:
        assert row["points"] == 4_000
        assert int(str(row["queries per second"])) > 0
        assert float(str(row["recall@10"])) >= 0.98
    assert rows[0]["recall@10"] == "1.0000"


@pytest.mark.parametrize("kind", list(PREFIXES))
def test_a_file_of_pairs_is_read_to_the_first_batch(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pairs.csv"
    write_pairs(path, 4_000, PREFIXES[kind])
    measured = ready(path)
    distinct = set(path.read_text().splitlines()[1:])
    assert measured["pairs"] == len(distinct)
    assert measured["seconds"] > 0


@pytest.mark.long("starts a process")
def test_ids_are_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    (row,) = interactions_speed(2_000, ["text"])
    write_pairs(tmp_path / "pairs.csv", 2_000, PREFIXES["integer"])
    pairs = ready(tmp_path / "pairs.csv")["pairs"]
    assert (row["ids"], row["rows"]) == ("text", 2_000)
    assert row["different pairs"] == pairs  # the same, whatever they are called
    assert float(str(row["seconds"])) >= 0


@pytest.mark.filterwarnings("ignore:OpenBLAS is configured:RuntimeWarning")
def test_all_evaluations_have_the_same_metrics() -> None:
    pytest.importorskip("implicit")
    Evaluation(n_users=50, n_items=150, dim=8).check()


def test_dense_and_sparse_rows_are_timed_with_both() -> None:
    rows = wdgrl_speed(2, steps=2)
    assert [row["rows held"] for row in rows] == ["dense", "sparse"]
    for row in rows:
        ours, theirs = row["steps per second"], row["reference implementation"]
        ratio = float(ours) / float(theirs)
        # however slow the machine is: the rates have four digits, their ratio two places
        assert float(row["times as fast"]) == pytest.approx(ratio, rel=2e-3, abs=6e-3)
