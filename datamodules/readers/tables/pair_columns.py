"""Validation of columns as ids, ratings and times."""

import polars as pl

from datamodules.readers.tables.pair_table import PairTable
from datamodules.readers.tables.table import Table

LARGEST = 2**63 - 1


def read_pairs(
    table: Table,
    user: str,
    item: str,
    rating: tuple[str, float] | None = None,
    time: str | None = None,
) -> PairTable:
    """The pairs of a table, each once.

    Args:
        table: A row for each pair.
        user: Column of the users' ids.
        item: Of the items' ids.
        rating: Column of numbers, and the least of them that makes a pair.
        time: Column of numbers, dates, or dates in ISO text.

    Raises:
        ValueError: A column is missing or has an entry that can't be used; or no pair
            is rated so highly.
    """
    used = [user, item, *([rating[0]] if rating else []), *([time] if time else [])]
    frame = table.read(used)
    columns = {name: clean_ids(table, frame[name]) for name in (user, item)}
    if time:
        columns[time] = _times(table, frame[time])
    pairs = pl.DataFrame(columns)
    if rating:
        pairs = pairs.filter(_numbers(table, frame[rating[0]]) >= rating[1])
        if not len(pairs):
            raise ValueError(
                f"data.rating_threshold: no row of {table.path} has a "
                f"'{rating[0]}' of {rating[1]:g} or more; lower it."
            )
    return PairTable.of(*pairs.iter_columns())


def clean_ids(table: Table, column: pl.Series) -> pl.Series:
    """Ids as int64 where they are whole numbers, and as text otherwise.

    Raises:
        ValueError: One is missing, negative, or a broken number.
    """
    if column.dtype.is_float():
        whole = column.fill_nan(None).cast(pl.Int64, strict=False)
        _refuse(
            table, column, whole.is_null() & column.is_not_nan(), "not a whole number"
        )
        broken = (whole != column).fill_null(value=False)
        _refuse(table, column, broken, "not a whole number")
        column = whole
    _refuse(table, column, column.is_null(), "missing")
    if not column.dtype.is_integer():
        return column.cast(pl.String)
    _refuse(table, column, column < 0, "negative")
    too_large = int(str(column.max() or 0)) > LARGEST
    return column.cast(pl.String if too_large else pl.Int64)


def _numbers(table: Table, column: pl.Series) -> pl.Series:
    """Ratings as numbers."""
    if not column.dtype.is_numeric():
        numbers = (
            column.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        )
    else:
        numbers = column.fill_nan(None) if column.dtype.is_float() else column
    _refuse(table, column, numbers.is_null(), "not a number")
    return numbers


def _times(table: Table, column: pl.Series) -> pl.Series:
    """Times as numbers whose order is theirs."""
    if column.dtype.is_temporal():
        times = column.to_physical()
    elif column.dtype.is_numeric():
        times = column.fill_nan(None) if column.dtype.is_float() else column
    else:
        times = _moments(column.cast(pl.String)).to_physical()
    _refuse(table, column, times.is_null(), "not a time (a number or an ISO date)")
    return times


def _moments(text: pl.Series) -> pl.Series:
    """What ISO text means; null where it is none."""
    try:
        return text.str.to_datetime(strict=False, time_unit="us")
    except pl.exceptions.PolarsError:  # not even the first row looks like a date
        return pl.Series(text.name, [None] * len(text), pl.Datetime("us"))


def _refuse(table: Table, column: pl.Series, bad: pl.Series, what: str) -> None:
    """A sentence about the first bad entry, if there is one."""
    bad = bad.fill_null(value=False)
    row = bad.arg_max() if bad.any() else None
    if row is not None:
        said = "" if column[row] is None else f" ({column[row]!r})"
        raise ValueError(
            f"{table.named}: the '{column.name}' of row {row + 1} is {what}{said}, as "
            f"are {bad.sum()} in all; correct them or leave out their rows."
        )
