"""Columns of a table of items as features: numbers, vectors, and words."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from datamodules.readers.tables.pair_columns import TEXT
from datamodules.readers.tables.pair_table import numbered

MISSING = (
    *("NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "None"),
    *("NULL", "null", "\\N"),
)
"""What programs write for an entry that is missing."""
Block = tuple[sparse.csr_array, list[str]]
"""Features (n, width) of a column, and their names."""
DAY = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
_CURRENCY = r"\p{Sc}|(?i:USD|EUROS?|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN)"
_GROUPS = "|".join(
    (
        r"\d{1,3}(?:,\d{3})+(?:\.\d+)?",
        r"\d{1,3}(?:\.\d{3})+(?:,\d+)?",
        "\\d{1,3}(?:['\u2019\u00a0\u202f]\\d{3})+(?:[.,]\\d+)?",
        r"\d{1,3}(?: \d{3})+[.,]\d+",
    )
)
_PRICE = (
    rf"^[-+\u2212]?(?:(?:{_CURRENCY})\s*)?[-+\u2212]?(?:\d+(?:[.,]\d+)?|[.,]\d+|"
    rf"{_GROUPS})\s*(?:%|{_CURRENCY})?$"
)
"""A number as people write it, with a decimal comma, separators or a unit."""
MANY, ALONE = 10, 0.9  # of more words than this, and this share of them used once


def numbers(column: pl.Series) -> NDArray[np.float64] | None:
    """A column of numbers (n, width), NaN where one is missing; None is one of words.

    Numbers are those of typed files, of text most of whose entries are numbers, and of
    arrays and lists that are vectors. Dates and times are days, since 1970 or midnight.
    Whole numbers of which one begins with a 0, such as ``007``, are codes: words.

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
        return _parsed(_present(column))
    if kind.is_temporal():
        return _floats(column.to_physical()) / _day(kind)
    if kind.is_numeric() or kind == pl.Boolean:
        return _floats(column)
    raise ValueError(f"holds {kind}, which are no features; leave it out")


def _present(text: pl.Series) -> pl.Series:
    """Text without blanks around it; null where something says that it is missing."""
    bare = text.str.strip_chars()
    return bare.set(bare.is_in(MISSING), None)


def _parsed(text: pl.Series) -> NDArray[np.float64] | None:
    """Text as numbers (n, 1); None is words."""
    parsed = text.cast(pl.Float64, strict=False)
    plain = text.filter(parsed.is_not_null())
    if plain.str.contains(r"^0\d+$").any() and plain.str.contains(r"^\d+$").all():
        return None
    _refuse_prices(text.drop_nulls().unique())
    return _floats(parsed) if 2 * parsed.count() > text.count() else None


def _refuse_prices(text: pl.Series) -> None:
    """Refuses text that is mostly numbers, but not all in the form of numbers."""
    prices = text.filter(text.str.contains(_PRICE))
    odd = prices.filter(prices.cast(pl.Float64, strict=False).is_null())
    if len(odd) and 2 * len(prices) > len(text):
        raise ValueError(
            f"holds text such as '{odd.sort()[0]}', which may be numbers or words; "
            "write numbers like 0.5 and words in letters, or leave it out"
        )


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

    Text is split at ``|``; a list has its words one by one. What says that an entry is
    missing, such as ``NA``, is not a word.

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
    entries = entries.with_columns(_present(entries["word"]))
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
