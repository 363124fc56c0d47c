"""Times of interactions: numbers, dates of typed files, and ISO 8601 text."""

from collections.abc import Mapping
from itertools import pairwise

import polars as pl

_ISO = (
    r"^(?P<date>\d{4}-\d{2}-\d{2})(?:[T ](?P<clock>\d{2}:\d{2})"
    r"(?::(?P<seconds>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?)?$"
)

EXACT: Mapping[type[pl.DataType], int] = {pl.Float32: 2**24, pl.Float64: 2**53}
"""From here on, two whole numbers may be one float."""
UNITS = {name: 1000**n for n, name in enumerate(("s", "ms", "us", "ns"))}
"""How many there are in a second."""
EPOCHS = 631_152_000, 4_102_444_800  # 1990 and 2100, in seconds since 1970


def ordered_times(column: pl.Series, time_format: str | None = None) -> pl.Series:
    """Times as numbers in the same order; null where an entry has none.

    Args:
        column: Numbers that a float of their type tells apart, dates, times, or text:
            numbers, or ISO 8601 dates with or without a time of day, a fraction of up
            to nine digits, and an offset.
        time_format: Of text that is neither, as `strftime` writes it.

    >>> text = pl.Series(["2021-03-05", "2021-03-05T00:00:00.000000001"])
    >>> ordered_times(text).diff().to_list()
    [None, 1]
    """
    if column.dtype in (pl.Date, pl.Datetime):
        return column.to_physical()
    if column.dtype.is_numeric() and time_format is None:
        return _distinct(column)
    if column.dtype != pl.String:
        return pl.Series(column.name, [None] * len(column), pl.Int64)
    text = column.str.strip_chars()
    if time_format is not None:
        return _moments(text, time_format)
    numbers = _numbers(text)
    return _iso(text) if numbers.null_count() else numbers


def mixed_units(times: pl.Series) -> tuple[pl.Series, str, str] | None:
    """Which numbers are a moment in another unit than others, that unit, and theirs.

    Only if there are moments from 1990 to 2100 in both, and nothing in between, as a
    clock that started at 0 would have.

    >>> mixed_units(pl.Series([1_600_000_000, 1_600_000_001_000]))[1:]
    ('ms', 's')
    >>> mixed_units(pl.Series([1_600_000_000, 1_600_000_001]))
    """
    low, high = EPOCHS
    numbers = times.cast(pl.Float64)
    if (numbers < low * UNITS["ms"]).all():
        return None
    within = {u: numbers.is_between(low * n, high * n) for u, n in UNITS.items()}
    found = [unit for unit, rows in within.items() if rows.any()]
    for small, large in pairwise(found):
        ends = high * UNITS[small], low * UNITS[large]
        if not numbers.is_between(*ends, closed="none").any():
            return within[large], large, small
    return None


def has_zone(column: pl.Series) -> pl.Series:
    """Which entries are ISO 8601 text with an offset from UTC."""
    zone = column.str.strip_chars().str.extract_groups(_ISO).struct.field("zone")
    return zone.is_not_null()


def _numbers(text: pl.Series) -> pl.Series:
    if text.str.contains(r"^[-+]?0\d").any():  # such as 05032021, a date
        return pl.Series(text.name, [None] * len(text), pl.Int64)
    whole = text.cast(pl.Int64, strict=False)
    return (
        _distinct(text.cast(pl.Float64, strict=False)) if whole.null_count() else whole
    )


def _distinct(numbers: pl.Series) -> pl.Series:
    """The same numbers; null where a float may merge two moments."""
    bound = EXACT.get(type(numbers.dtype))
    if bound is None:
        return numbers
    is_exact = numbers.is_finite() & (numbers.abs() < bound)
    return numbers.set(~is_exact, None)


def _moments(text: pl.Series, time_format: str) -> pl.Series:
    try:
        nanos, micros = (
            text.str.to_datetime(
                time_format, strict=False, time_unit=unit
            ).to_physical()
            for unit in ("ns", "us")
        )
    except pl.exceptions.PolarsError:  # the format does not say enough for a date
        return pl.Series(text.name, [None] * len(text), pl.Int64)
    return _finest(nanos, micros)


def _iso(text: pl.Series) -> pl.Series:
    """Times in UTC where there is an offset; null where none is ISO."""
    parts = text.str.extract_groups(_ISO).struct.unnest()
    days = pl.col("date").str.to_date("%Y-%m-%d", strict=False).to_physical()
    clock = pl.col("clock").fill_null("00:00") + ":" + pl.col("seconds").fill_null("00")
    of_day = clock.str.to_time("%H:%M:%S", strict=False).to_physical()
    fraction = pl.col("fraction").fill_null("0").str.pad_end(9, "0").cast(pl.Int64)
    zone = pl.col("zone").replace("Z", "+0000").fill_null("+0000").str.replace(":", "")
    hours, minutes = (zone.str.slice(i, 2).cast(pl.Int64) for i in (1, 3))
    ahead = pl.when(zone.str.starts_with("-")).then(-60).otherwise(60)
    seconds = days.cast(pl.Int64) * 86_400 - ahead * (60 * hours + minutes)
    nanos = of_day + fraction
    return _finest(
        parts.select(seconds * 10**9 + nanos).to_series(),
        parts.select(seconds * 10**6 + nanos // 1000).to_series(),
    )


def _finest(nanos: pl.Series, micros: pl.Series) -> pl.Series:
    """Nanoseconds since 1970, or microseconds where those have no room in 64 bits."""
    return nanos if (nanos // 1000 == micros).all() else micros
