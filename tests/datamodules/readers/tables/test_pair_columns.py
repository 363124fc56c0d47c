"""Columns as ids, ratings and times."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules import Interactions
from datamodules.readers.tables.pair_columns import clean_ids
from datamodules.readers.tables.table import Table
from datamodules.readers.tables.times import (
    EPOCHS,
    UNITS,
    mixed_units,
    ordered_times,
)
from tests.odd_files.odd_file import OddFile
from tests.odd_files.tables import TIMES
from tests.support.pair_files import (
    COLUMNS,
    FEW,
    TIMED,
    interactions,
    of_user,
    pairs,
    written,
)

ZONES = st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.lists(
    st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES),
    min_size=1,
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


@pytest.mark.parametrize("odd", TIMES, ids=lambda odd: odd.name)
def test_times_are_ordered_right_or_refused(tmp_path: Path, odd: OddFile) -> None:
    data = Interactions(str(odd.write(tmp_path)), **odd.options)
    if odd.error is None:
        table = data.read_table()
        assert table.times is not None
        assert table.items[table.times.argsort()].tolist() == odd.expected
        return
    with pytest.raises(ValueError, match=rf"data.path: .*{odd.error}") as error:
        data.read_table()
    assert "\n" not in str(error.value)


@given(MOMENTS)
def test_iso_text_is_the_moment_that_python_reads(moments: list[datetime]) -> None:
    text = pl.Series([moment.isoformat() for moment in moments])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    micros = [(moment - epoch) // timedelta(microseconds=1) for moment in moments]
    times = ordered_times(text).to_list()
    assert times in (micros, [1000 * m for m in micros])


SECONDS = st.lists(st.integers(*EPOCHS), min_size=1, max_size=9)
UNIT = st.sampled_from(sorted(UNITS.values()))


@given(SECONDS, SECONDS, UNIT, UNIT)
def test_times_are_of_two_units_where_they_are(
    some: list[int], others: list[int], one: int, other: int
) -> None:
    times = pl.Series([one * s for s in some] + [other * s for s in others])
    mixed = mixed_units(times)
    assert (mixed is None) == (one == other)
    if mixed is not None:
        large = max(one, other)
        assert UNITS[mixed[1]] == large
        assert mixed[0].to_list() == (times >= large * EPOCHS[0]).to_list()


@pytest.mark.parametrize("kind", [int, float, str])
def test_seconds_among_milliseconds_are_refused(tmp_path: Path, kind: type) -> None:
    times = [kind(t) for t in (1600000000, 1600000001000, 1600000002)]
    frame = pl.DataFrame({"u": [1, 1, 1], "i": [1, 2, 3], "t": times})
    for ending in ("csv", "parquet"):
        path = tmp_path / f"own.{ending}"
        (frame.write_csv if ending == "csv" else frame.write_parquet)(path)
        says = "'t' of row 2 is in ms since 1970 where others are in s .* one unit"
        with pytest.raises(ValueError, match=says):
            interactions(path, **TIMED)


def test_a_form_of_text_is_refused_for_numbers(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    pl.DataFrame({"u": [1], "i": [1], "t": [5032021]}).write_parquet(path)
    with pytest.raises(ValueError, match=r"data.time_format is for text, but 't' of"):
        interactions(path, **TIMED, time_format="%d%m%Y")


@pytest.mark.parametrize(
    ("ratings", "least", "n"),
    [
        (pl.Series([Decimal("3.00"), Decimal("4.10")]), 4.1, 1),
        (pl.Series([3, 4], dtype=pl.UInt8), -1, 2),
        (pl.Series([3, 4], dtype=pl.Int8), 300, 0),
    ],
)
def test_a_threshold_may_be_beyond_the_type_of_ratings(
    tmp_path: Path, ratings: pl.Series, least: float, n: int
) -> None:
    path = tmp_path / "own.parquet"
    pl.DataFrame({"u": [1, 1], "i": [1, 2], "r": ratings}).write_parquet(path)
    data = Interactions(str(path), "u", "i", "r", least)
    with pytest.raises(ValueError, match="lower it") if n == 0 else nullcontext():
        assert len(data.read_table()) == n


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_are_not_rounded(numbers: list[int]) -> None:
    times = ordered_times(pl.Series([str(n) for n in numbers])).to_numpy()
    assert times.tolist() == numbers
    assert times.dtype == np.int64
