"""Text files in the format svmlight, whose columns count from 0 or from 1."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from sklearn.datasets import load_svmlight_file

from datamodules.readers.features.arrays import Found, OtherFormError
from lightning_modules.data_contracts.sparse_rows import SparseRows

TEXT = (".svmlight", ".libsvm", ".svm")
ZeroBased = bool | Literal["auto"]
Texts = Mapping[str, SparseRows]
"""Rows of text files, with columns as they are written, by their keys."""


def read_text(path: Path) -> Found:
    """Lines ``label column:value ...``, with columns as they are written."""
    with path.open("rb") as file:
        head = file.read(len(BOM_UTF8))
        if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise OtherFormError("is UTF-16 text; save it as UTF-8.")
        file.seek(len(BOM_UTF8) if head == BOM_UTF8 else 0)
        try:
            x, y = load_svmlight_file(file, zero_based=True)
        except ValueError as error:
            if odd := _without_label(path):
                raise odd from error
            raise
    return ["features", "labels"], {"features": x, "labels": y}


def _without_label(path: Path) -> OtherFormError | None:
    """What to say of the first line of text that begins with no number, if any does."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("#")[0].split()
            if not words or is_number(words[0]):
                continue
            plain = line.strip().isprintable() and "\ufffd" not in line
            if not plain or ":" not in line:
                return None  # no text of this format
            return OtherFormError(
                f"has '{words[0]}' in place of a label in line {number}; begin each "
                "line with a whole number, -1 where the class of a target row is "
                "unknown."
            )
    return None


def is_number(word: str) -> bool:
    """Whether a word of text is a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def aligned(
    rows: Texts,
    names: Mapping[str, str],
    others: Sequence[int],
    zero_based: ZeroBased,
    n_features: int | None,
) -> dict[str, SparseRows]:
    """Columns in text counted from 0, and rows as wide as those of the other files.

    Args:
        rows: At least one.
        names: What sentences about them begin with: key and file.
        others: Widths of the rows of files that aren't text.
        zero_based: Whether columns count from 0, or ``auto``.
        n_features: Width of the rows; by default that of the others, and without these
            the largest column.

    Raises:
        ValueError: Where columns begin is uncertain, or one lies outside the width.
    """
    first = first_column(rows, names, others, zero_based)
    last = max((highest for _, highest in _spans(rows).values()), default=0)
    width = n_features or max(others, default=last + 1 - first)
    return {part: _counted(names[part], x, first, width) for part, x in rows.items()}


def first_column(
    rows: Texts, names: Mapping[str, str], others: Sequence[int], zero_based: ZeroBased
) -> int:
    """0 or 1, from which columns count in all of the files; arguments as `aligned`."""
    if zero_based != "auto":
        return int(not zero_based)
    spans = _spans(rows)
    with_0 = [part for part, (lowest, _) in spans.items() if lowest == 0]
    if not with_0 and spans:
        if others:
            raise ValueError(
                "data.zero_based: columns of the text files may count from 0 or from "
                "1; set it to true or false."
            )
        return 1
    last = max((spans[part][1] for part in with_0), default=0)
    for part, (lowest, highest) in spans.items():
        if lowest > 0 and highest > last:
            raise ValueError(
                "data.zero_based must be set to true or false, or the columns of all "
                f"files numbered alike: {names[with_0[0]]} has a column 0, and "
                f"{names[part]} has none but a column {highest} beyond the others' "
                "last, as if it counted from 1."
            )
    return 0


def _spans(rows: Texts) -> dict[str, tuple[int, int]]:
    """Lowest and highest column of the files that have any."""
    return {
        part: (int(x.columns.min()), int(x.columns.max()))
        for part, x in rows.items()
        if len(x.columns)
    }


def _counted(name: str, rows: SparseRows, first: int, width: int) -> SparseRows:
    """Rows whose columns counted from ``first``."""
    columns = rows.columns - first
    outside = columns[(columns < 0) | (columns >= width)]
    if len(outside):
        raise ValueError(
            f"{name} has a column {int(outside[0]) + first} where {width} columns are "
            f"counted from {first}; use files of the same features, or correct "
            "data.n_features or data.zero_based where they are set."
        )
    return replace(rows, columns=columns, width=width)
