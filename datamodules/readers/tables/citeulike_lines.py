"""Counted lines: the file format of CiteULike."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lightning_modules.core.files import check_file
from lightning_modules.core.limits import check_size

ENTRY = 100
"""Bytes that a line for each of the entries takes, with its id and its name."""


@dataclass(frozen=True)
class CountedLines:
    """Lines of a file, each without the count that it begins with.

    Args:
        lines: Line of each entry, int64 (n,), from 0.
        entries: What is there, int64 (n,), at least 0.
        values: Written behind a colon, or 1, float32 (n,).
        n_lines: Lines of the file.
    """

    lines: NDArray[np.int64]
    entries: NDArray[np.int64]
    values: NDArray[np.float32]
    n_lines: int

    @property
    def width(self) -> int:
        """The largest entry and 1."""
        return int(self.entries.max(initial=-1)) + 1

    def turned(self) -> "CountedLines":
        """A line for each entry, with the lines that had it."""
        return CountedLines(self.entries, self.lines, self.values, self.width)

    def matrix(self, n_lines: int, width: int) -> sparse.csr_array:
        """The values as a matrix; an entry that is twice in a line counts once."""
        keys, first = np.unique(self.lines * width + self.entries, return_index=True)
        place = np.divmod(keys, max(width, 1))
        return sparse.csr_array((self.values[first], place), shape=(n_lines, width))


def read_counted(path: Path) -> CountedLines:
    """All lines ``count entry entry ...`` or ``count entry:value ...`` of a file.

    Empty lines at the end don't count, others have no entry.

    Raises:
        ValueError: A line is not whole numbers of at least 0, or has more or fewer
            entries than its count says.
    """
    check_file(path, f"data.root: {path}")
    lines = path.read_text("utf-8-sig", errors="replace").rstrip().splitlines()
    rows = [line.split() for line in lines]
    for number, row in enumerate(rows, start=1):
        if row and row[0] != str(len(row) - 1):
            raise ValueError(
                f"data.root: line {number} of {path} begins with {row[0]} but has "
                f"{len(row) - 1} entries behind that; write 'count entry entry ...'."
            )
    counts = np.fromiter((max(len(row) - 1, 0) for row in rows), np.int64, len(rows))
    written = [word.partition(":") for row in rows for word in row[1:]]
    try:
        entries = np.array([int(entry) for entry, _, _ in written], dtype=np.int64)
        values = np.array([float(v or 1) for _, _, v in written], dtype=np.float32)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"data.root: {path} has an entry that is not a number ({error}); replace "
            "it."
        ) from None
    if entries.min(initial=0) < 0 or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(
            f"data.root: {path} has the entry {entries.min()}, or a value that is not "
            "above 0 and finite; entries count from 0."
        )
    largest = entries.max(initial=0)
    check_size(ENTRY * largest, path, f"data.root: {path}: its entry {largest}")
    return CountedLines(
        np.repeat(np.arange(len(rows)), counts), entries, values, len(rows)
    )


def weighted(counts: sparse.csr_array, tf_idf: bool) -> sparse.csr_array:
    r"""Rows of counts as features: 1 for each that is there, or its weight.

    The weight of entry j in row i is :math:`(1 + \ln c_{ij})(1 + \ln\frac{1 + n}{1 +
    n_j})` with :math:`n_j` of n rows having it, and rows are divided by their length.

    >>> weighted(sparse.csr_array([[3.0, 0.0], [0.0, 0.0]]), tf_idf=True).toarray()
    array([[1., 0.],
           [0., 0.]])
    """
    weights = counts.copy()
    if not tf_idf:
        weights.data = np.ones_like(weights.data)
        return weights
    n = weights.shape[0]
    frequency = np.bincount(weights.indices, minlength=weights.shape[1])
    rarity = 1 + np.log((1 + n) / (1 + frequency))
    weights.data = (1 + np.log(weights.data)) * rarity[weights.indices]
    rows = np.repeat(np.arange(n), np.diff(weights.indptr))
    squares = np.bincount(rows, weights.data**2, minlength=n)
    weights.data = weights.data / np.sqrt(squares)[rows]
    return weights
