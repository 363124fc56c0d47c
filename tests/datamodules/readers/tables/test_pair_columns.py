"""Columns as ids, ratings and times."""

from pathlib import Path

import polars as pl
import pytest

from datamodules.readers.tables.pair_columns import clean_ids
from datamodules.readers.tables.table import Table
from tests.support.pair_files import (
    COLUMNS,
    FEW,
    TIMED,
    interactions,
    of_user,
    pairs,
    written,
)


def test_ratings_below_the_threshold_are_no_pairs(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", *FEW)
    rated = {"rating_column": "r", "rating_threshold": 4}
    data = interactions(path, test_share=0.4, **COLUMNS, **rated)
    assert pairs(data) == {(9, "a"), (9, "b"), (9, "d"), (7, "a")}


def test_dates_order_pairs_as_numbers_do(tmp_path: Path) -> None:
    days = ("2024-03-01", "2024-01-02", "2023-12-31", "2024-01-01")
    rows = [f"1,{item},{day}" for item, day in enumerate(days)]
    path = written(tmp_path / "own.csv", "u,i,t", *rows)
    data = interactions(path, split="leave_one_out", **TIMED)
    assert of_user(data, 1) == [{2, 3}, {1}, {0}]
    pl.read_csv(path, try_parse_dates=True).write_parquet(tmp_path / "own.parquet")
    data = interactions(tmp_path / "own.parquet", split="leave_one_out", **TIMED)
    assert of_user(data, 1) == [{2, 3}, {1}, {0}]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pl.Series("id", [1.0, float("nan")]), "row 2 is missing"),
        (pl.Series("id", [1.0, None]), "row 2 is missing"),
        (pl.Series("id", [0.5, 1.0]), "row 1 is not a whole number"),
        (pl.Series("id", [1.0, float("inf")]), "row 2 is not a whole number"),
        (pl.Series("id", ["a", None]), "row 2 is missing"),
    ],
)
def test_ids_that_are_missing_or_broken_are_refused(
    column: pl.Series, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        clean_ids(Table(Path("own.parquet"), "path"), column)


def test_whole_floats_and_large_numbers_are_ids() -> None:
    table = Table(Path("own.parquet"), "path")
    assert clean_ids(table, pl.Series([1.0, 2.0])).to_list() == [1, 2]
    large = pl.Series([1, 2**63], dtype=pl.UInt64)
    assert clean_ids(table, large).to_list() == ["1", str(2**63)]
