"""Validation of columns as ids, ratings and times."""

import polars as pl

from datamodules.readers.tables.pair_table import PairTable
from datamodules.readers.tables.table import Table
from datamodules.readers.tables.times import (
    EXACT,
    has_zone,
    mixed_units,
    ordered_times,
)

TEXT = (pl.String, pl.Categorical, pl.Enum)
INVISIBLE = "[\u00ad\u200b\u200e\u200f\u2060\ufeff]"
JOINERS = r"^[\s\u200c\u200d]+|[\s\u200c\u200d]+$"  # within words, they are seen


def read_pairs(
    table: Table,
    user: str,
    item: str,
    rating: tuple[str, float] | None = None,
    time: str | None = None,
    time_format: str | None = None,
) -> PairTable:
    """The pairs of a table, each once.

    Args:
        table: A row for each pair.
        user: Column of the users' ids.
        item: Of the items' ids.
        rating: Column of numbers, and the least of them that makes a pair.
        time: Column of times, see `ordered_times`.
        time_format: Format of times that are text and not in ISO 8601.

    Raises:
        ValueError: A column is missing or has an entry that can't be used; or no pair
            is rated so highly.
    """
    used = [user, item, *([rating[0]] if rating else []), *([time] if time else [])]
    as_written = (user, item, *([time] if time else []))
    frame = table.read(used, as_written)
    columns = {name: clean_ids(table, frame[name]) for name in (user, item)}
    if time:
        columns[time] = _times(table, frame[time], time_format)
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
    """Ids as int64 where all are whole numbers in their usual form, else as text.

    What a file of text says is kept as it is written; a typed file tells numbers from
    text itself.

    Raises:
        ValueError: One is missing, empty, negative, broken, a number that a float may
            not hold exactly, or no id; or two differ in the blanks around them only.
    """
    if column.dtype.is_float():
        column = column.fill_nan(None)
    kind = column.dtype
    if kind in EXACT or kind.is_decimal():
        column = _whole(table, column)
    elif not (kind in TEXT or kind.is_integer() or kind == pl.Null):
        raise ValueError(
            f"{table.named}: '{column.name}' holds {kind}, which can't be ids; store "
            "them as text or whole numbers."
        )
    _refuse(table, column, column.is_null(), "missing")
    if column.dtype in TEXT:
        return _written(table, column.cast(pl.String))
    _refuse(table, column, column < 0, "negative")
    numbers = column.cast(pl.Int64, strict=False)
    return column.cast(pl.String) if numbers.null_count() else numbers


def _whole(table: Table, column: pl.Series) -> pl.Series:
    """Floats or decimals as the whole numbers that they are."""
    whole = column.cast(pl.Int64, strict=False)
    broken = whole.is_null() & column.is_not_null() | (whole != column)
    _refuse(table, column, broken, "not a whole number")
    if bound := EXACT.get(type(column.dtype)):
        what = f"too large for a {column.dtype}, which merges such ids"
        _refuse(table, column, whole.abs() >= bound, what)
    return whole


def _written(table: Table, text: pl.Series) -> pl.Series:
    """Ids of text; int64 if a file of text has nothing but plain whole numbers."""
    _refuse(table, text, text.str.strip_chars() == "", "empty")
    if table.is_parquet:
        return _distinct(table, text)
    _refuse(table, text, text.str.contains("\n", literal=True), "of several lines")
    numbers = text.cast(pl.Int64, strict=False)
    if table.whole_ids:
        _refuse(table, text, numbers.is_null(), "not a whole number")
        _refuse(table, numbers, numbers < 0, "negative")
        return numbers
    if numbers.null_count() or (numbers.cast(pl.String) != text).any():
        return _distinct(table, text)
    _refuse(table, numbers, numbers < 0, "negative")
    return numbers


def _distinct(table: Table, text: pl.Series) -> pl.Series:
    """The same ids, none of which is another with blanks around it."""
    ids = text.unique()
    bare = ids.str.strip_chars()
    blanks = ids.filter(bare.is_duplicated() & (ids != bare))
    what = "the id of other rows but for blanks around it"
    _refuse(table, text, text.is_in(blanks.implode()), what)
    if (ids.str.len_bytes() != ids.str.len_chars()).any():
        refuse_look_alikes(table, text.name, ids)
    return text


def refuse_look_alikes(table: Table, name: str, ids: pl.Series) -> None:
    """Refuses different ids that look the same.

    Raises:
        ValueError: Two differ only in Unicode's normal form (NFC), in characters that
            have no width, or in blanks around them.
    """
    looks = ids.str.normalize("NFC").str.replace_all(INVISIBLE, "")
    looks = looks.str.replace_all(JOINERS, "")
    twice = looks.filter(looks.is_duplicated()).sort()
    if len(twice):
        one, other = ids.filter(looks == twice[0]).sort()[:2]
        raise ValueError(
            f"{table.named}: the '{name}' {one!a} and {other!a} look the same, but for "
            "blanks, invisible characters or Unicode normalisation; make them one, or "
            "tell them apart."
        )


def _numbers(table: Table, column: pl.Series) -> pl.Series:
    """Ratings as numbers."""
    kind, written = column.dtype, column
    if not (kind.is_numeric() or kind in (*TEXT, pl.Boolean, pl.Null)):
        raise ValueError(
            f"{table.named}: '{column.name}' holds {kind}, which can't be ratings; "
            "store numbers."
        )
    if not column.dtype.is_numeric():
        written = column.cast(pl.String, strict=False).str.strip_chars()
    numbers = written.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite(), None)
    _refuse(table, column, numbers.is_null(), "not a number")
    return numbers


def _times(table: Table, column: pl.Series, time_format: str | None) -> pl.Series:
    """Times as numbers whose order is theirs."""
    column = _timely(table, column, time_format)
    times = ordered_times(column, time_format)
    form = "an exact number or ISO 8601" if time_format is None else f"'{time_format}'"
    remedy = "; name their form in data.time_format, such as '%d/%m/%Y'"
    _refuse(table, column, times.is_null(), f"not a time ({form})", remedy)
    if column.dtype == pl.String and time_format is None:
        zoned = has_zone(column)
        if zoned.any() and not zoned.all():
            what = "without an offset from UTC, which others have"
            _refuse(table, column, ~zoned, what)
    mixed = mixed_units(times) if time_format is None and _is_plain(column) else None
    if mixed is not None:
        rows, unit, other = mixed
        what = f"in {unit} since 1970 where others are in {other}"
        _refuse(table, column, rows, what, "; write all in one unit")
    return times


def _timely(table: Table, column: pl.Series, time_format: str | None) -> pl.Series:
    """The same column, of a type that times can have; categories as text."""
    kind = column.dtype
    if kind in TEXT:
        return column.cast(pl.String)
    if not (kind.is_numeric() or kind in (pl.Date, pl.Datetime)):
        raise ValueError(
            f"{table.named}: '{column.name}' holds {kind}, which can't be times; store "
            "numbers, dates or ISO 8601 text."
        )
    if kind.is_numeric() and time_format is not None:
        raise ValueError(
            f"data.time_format is for text, but '{column.name}' of {table.path} holds "
            f"{kind}; leave it out, or store text."
        )
    return column


def _is_plain(times: pl.Series) -> bool:
    """Whether times, which are all of one form, are numbers."""
    if times.dtype != pl.String:
        return times.dtype.is_numeric()
    first = times.head(1).str.strip_chars().cast(pl.Float64, strict=False)
    return first.null_count() == 0


def _refuse(
    table: Table,
    column: pl.Series,
    bad: pl.Series,
    what: str,
    remedy: str = "; correct them or leave out their rows",
) -> None:
    """A sentence about the first bad entry, if there is one."""
    bad = bad.fill_null(value=False)
    row = bad.arg_max() if bad.any() else None
    if row is not None:
        said = "" if column[row] is None else f" ({column[row]!r})"
        raise ValueError(
            f"{table.named}: the '{column.name}' of row {row + 1} is {what}{said}, as "
            f"are {bad.sum()} in all{remedy}."
        )
