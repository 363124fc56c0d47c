"""Columns of a table of items as features: numbers, vectors, and words."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from datamodules.readers.tables.pair_columns import TEXT
from datamodules.readers.tables.pair_table import numbered

Block = tuple[sparse.csr_array, list[str]]
"""Features (n, width) of a column, and their names."""
DAY = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
MANY, ALONE = 10, 0.9  # of more words than this, and this share of them used once


def numbers(column: pl.Series) -> NDArray[np.float64] | None:
    """A column of numbers (n, width), NaN where one is missing; None is one of words.

    Numbers are those of typed files, of text most of whose entries are numbers, and of
    arrays and lists that are vectors. Dates and times are days, since 1970 or midnight.

    Raises:
        ValueError: Its type is none of features, or of two readings; it says what
            follows the name of the column.

    >>> numbers(pl.Series([[0.5, 1.0], None, [2.0, 3.0]]))
    array([[0.5, 1. ],
           [nan, nan],
           [2. , 3. ]])
    """
    kind = column.dtype
    if isinstance(kind, pl.List | pl.Array):
        return _vectors(column, kind.inner)
    if kind in (pl.Categorical, pl.Enum, pl.Null):
        return None
    if kind == pl.String:
        text = column.str.strip_chars()
        parsed = text.cast(pl.Float64, strict=False)
        return _floats(parsed) if 2 * parsed.count() > text.count() else None
    if kind.is_temporal():
        return _floats(column.to_physical()) / _day(kind)
    if kind.is_numeric() or kind == pl.Boolean:
        return _floats(column)
    raise ValueError(f"holds {kind}, which are no features; leave it out")


def _day(kind: pl.DataType) -> int:
    """A day in the unit of dates, times or durations."""
    if kind == pl.Date:
        return 1
    return DAY[kind.time_unit if isinstance(kind, pl.Datetime | pl.Duration) else "ns"]


def _floats(column: pl.Series) -> NDArray[np.float64]:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()[:, None]


def _vectors(column: pl.Series, inner: Any) -> NDArray[np.float64] | None:
    """Lists and arrays of numbers (n, width); None are lists of words."""
    lists = column if isinstance(column.dtype, pl.List) else column.arr.to_list()
    widths = lists.list.len().drop_nulls().unique().to_list()
    whole = inner.is_integer() and isinstance(column.dtype, pl.List)
    if inner in TEXT or not any(widths) or (whole and len(widths) > 1):
        return None
    if not (inner.is_numeric() or inner == pl.Boolean):
        raise ValueError(f"holds lists of {inner}, which are no features; leave it out")
    if len(widths) > 1:
        raise ValueError(
            "holds lists of numbers of different lengths; store vectors of one length, "
            "or text for words"
        )
    if whole:
        raise ValueError(
            f"holds lists of {widths[0]} whole numbers each, which may be vectors or "
            "words; store fractions or an Array for vectors, or text for words"
        )
    values = np.full((len(column), widths[0]), np.nan)
    flat = _floats(lists.drop_nulls().explode())
    values[lists.is_not_null().to_numpy()] = flat.reshape(-1, widths[0])
    return values


def named(values: NDArray[np.float64], name: str) -> Block:
    """Numbers (n, width) as features; several have their places behind the name.

    >>> named(np.ones((1, 2)), "colour")[1]
    ['colour[0]', 'colour[1]']
    """
    width = values.shape[1]
    names = [f"{name}[{i}]" for i in range(width)] if width > 1 else [name]
    return sparse.csr_array(values), names


def words(column: pl.Series) -> Block:
    """Which words are in each entry: zeros and ones (n, width).

    Text is split at ``|``; a list has its words one by one.

    >>> matrix, names = words(pl.Series("genres", ["War|Drama", None, "War"]))
    >>> names, matrix.toarray().tolist()
    (['genres=Drama', 'genres=War'], [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    >>> words(pl.Series("genres", [["War", "Drama"], [], ["a|b"]]))[1]
    ['genres=Drama', 'genres=War', 'genres=a|b']
    """
    entries = _entries(column)
    vocabulary = entries["word"].unique().sort()
    place = entries["row"].to_numpy(), numbered(entries["word"], vocabulary).to_numpy()
    ones = np.ones(len(entries), dtype=np.float32)
    matrix = sparse.csr_array((ones, place), shape=(len(column), len(vocabulary)))
    return matrix, [f"{column.name}={word}" for word in vocabulary]


def _entries(column: pl.Series) -> pl.DataFrame:
    """Each ``word`` of each ``row``, once."""
    if isinstance(column.dtype, pl.List | pl.Array):
        lists = column.cast(pl.List(pl.String))
    else:
        lists = column.cast(pl.String).str.split("|")
    entries = pl.DataFrame({"word": lists}).with_row_index("row").explode("word")
    entries = entries.with_columns(pl.col("word").str.strip_chars())
    return entries.filter(pl.col("word").str.len_bytes() > 0).unique()


def why_no_category(block: Block) -> str | None:
    """Why words say nothing of the items: there are none, or nearly all occur once."""
    matrix, _ = block
    if not matrix.nnz:
        return "it is empty"
    alone = np.bincount(matrix.indices) == 1
    if matrix.nnz > MANY and alone.sum() > ALONE * matrix.nnz:
        return "nearly every value is of one item only"
    return None
