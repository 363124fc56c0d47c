"""Features and labels in the named columns of CSV, TSV and Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from datamodules.readers.features.arrays import Labels, as_labels
from datamodules.readers.features.formats import LABELS, first_of
from datamodules.readers.features.svmlight import is_number
from datamodules.readers.tables.table import PARQUET, SEPARATORS, Table

ENDINGS = (*SEPARATORS, *PARQUET)


class Columns(NamedTuple):
    """Features (n, d), the names of their columns, and labels (n,) or None."""

    x: np.ndarray[Any, Any]
    names: tuple[str, ...]
    y: Labels | None


def read_columns(path: Path, key: str, label_column: str | None) -> Columns:
    """A table whose columns are features, but for the one with labels.

    Args:
        path: The file; its first line has the names of the columns.
        key: Of the command line that named it, for sentences.
        label_column: Name of the column with labels; None: the first of ``y``,
            ``labels``, ``label``, ``target`` that is there, in capitals or not.

    Raises:
        ValueError: The file can't be read, has no such column, no line of names, or
            text or gaps where numbers or labels are expected.
    """
    table = Table(path, key)
    table.find()
    written = table.columns()
    _check_header(table.named, written)
    chosen = _label_column(table.named, written, label_column)
    frame = table.read(written)
    names = tuple(name for name in written if name != chosen)
    for name in names:
        _check_numbers(table.named, frame[name])
    x = frame.select(names).cast(pl.Float64).to_numpy()
    y = None if chosen is None else _labels(table.named, frame[chosen])
    return Columns(x, names, y)


def in_order(
    name: str, found: Sequence[str], expected: Sequence[str], first: Path
) -> list[int]:
    """Where the columns of another file are in this one.

    Raises:
        ValueError: The names are not the same.
    """
    missing = [one for one in expected if one not in found]
    extra = [one for one in found if one not in expected]
    if missing or extra:
        faults = [f"no column '{missing[0]}'"] if missing else []
        faults += [f"a column '{extra[0]}', which {first} has not"] if extra else []
        raise ValueError(
            f"{name} has {' and '.join(faults)}; files that belong together have the "
            "same columns, and labels in a column that data.label_column names."
        )
    return [found.index(one) for one in expected]


def _check_header(name: str, written: Sequence[str]) -> None:
    """Refuses numbers in place of names, which the first row would be lost for."""
    if all(is_number(one) for one in written):
        raise ValueError(
            f"{name} has numbers in its first line ({', '.join(written[:3])}); write "
            "the names of the columns there."
        )


def _label_column(name: str, written: list[str], asked: str | None) -> str | None:
    if asked is None:
        return first_of(LABELS, written)
    if asked in written:
        return asked
    if name.startswith("data.target"):  # which may have none
        return None
    raise ValueError(
        f"{name} has no column '{asked}', but {', '.join(written)}; set "
        "data.label_column to one of them."
    )


def _check_numbers(name: str, column: pl.Series) -> None:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return
    kind = "text" if column.dtype == pl.String else column.dtype
    raise ValueError(
        f"{name} has {kind} in column '{column.name}', and features are "
        "numbers; leave the column out, write numbers, or set data.label_column to it "
        "if it holds the labels."
    )


def _labels(name: str, column: pl.Series) -> Labels:
    if column.null_count():
        row = column.is_null().arg_max()
        raise ValueError(
            f"{name} has no label in row {1 + (row or 0)} of {len(column)}; write one, "
            "or leave the column out where no label is known."
        )
    array = column.to_numpy()
    array = array.astype(np.str_) if array.dtype.kind == "O" else array
    return as_labels(f"{name}: {column.name}", array, len(column))
