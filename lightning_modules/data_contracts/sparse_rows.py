"""Sparse rows, such as word counts, in compressed form."""

from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class SparseRows:
    """A matrix (n, width) in compressed rows (CSR).

    It is not torch's CSR tensor because that has no row slicing, and because the
    product with a dense matrix through ``embedding_bag`` (`times`) and its gradient
    take a tenth of the time.

    Args:
        starts: Offset of each row in ``columns``, and the end: int64 (n + 1,).
        columns: Column of each entry, int64 (nnz,).
        values: The entries, floating point (nnz,).
        width: Number of columns.

    >>> rows = SparseRows.from_dense(torch.tensor([[0.0, 2.0], [0.0, 0.0], [1.0, 3.0]]))
    >>> rows[torch.tensor([2, 0])].to_dense()
    tensor([[1., 3.],
            [0., 2.]])
    """

    starts: Tensor
    columns: Tensor
    values: Tensor
    width: int

    @classmethod
    def from_dense(cls, matrix: Tensor) -> Self:
        """Sparse rows of a matrix (n, width)."""
        row, column = matrix.nonzero(as_tuple=True)
        counts = torch.bincount(row, minlength=len(matrix))
        return cls(starts_of(counts), column, matrix[row, column], matrix.shape[1])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, rows: Tensor | slice) -> "SparseRows":
        """Rows of numbers int64 (m,), in their order, or of a slice."""
        if isinstance(rows, slice):
            rows = torch.arange(len(self), device=self.starts.device)[rows]
        starts, entries = entries_of(self.starts, rows)
        columns, values = self.columns[entries], self.values[entries]
        return SparseRows(starts, columns, values, self.width)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (n, width)."""
        return len(self), self.width

    @property
    def device(self) -> torch.device:
        """Device of the entries."""
        return self.values.device

    def to(self, *args: object, **kwargs: object) -> "SparseRows":
        """The same rows on another device or of another dtype, like `Tensor.to`."""
        values = self.values.to(*args, **kwargs)  # type: ignore[call-overload]
        starts, columns = self.starts.to(values.device), self.columns.to(values.device)
        return SparseRows(starts, columns, values, self.width)

    def to_dense(self) -> Tensor:
        """Dense matrix (n, width)."""
        counts = self.starts.diff()
        row = torch.arange(len(self), device=self.device).repeat_interleave(counts)
        dense = self.values.new_zeros(self.shape)
        return dense.index_put_((row, self.columns), self.values, accumulate=True)

    def to_csr(self) -> csr_array:
        """The same matrix for SciPy; it shares the memory."""
        parts = (self.values, self.columns, self.starts)
        return csr_array(tuple(part.numpy() for part in parts), shape=self.shape)

    def times(self, matrix: Tensor) -> Tensor:
        """Product with a matrix (width, d), shape (n, d); its gradient is dense."""
        return F.embedding_bag(
            self.columns,
            matrix,
            self.starts[:-1],
            mode="sum",
            per_sample_weights=self.values.to(matrix.dtype),
        )


Rows: TypeAlias = Tensor | SparseRows
"""Samples of a batch: a tensor (n, ...), or sparse rows (n, width)."""


def nonzero_rows(rows: Rows) -> Tensor:
    """Which rows have an entry other than 0, bool (n,).

    >>> nonzero_rows(torch.tensor([[0.0, 0.0], [1.0, -1.0]]))
    tensor([False,  True])
    """
    if isinstance(rows, Tensor):
        return (rows != 0).flatten(1).any(1)
    sizes = replace(rows, values=rows.values.abs())
    return sizes.times(rows.values.new_ones(rows.width, 1))[:, 0] > 0


def join(first: Rows, second: Rows) -> Rows:
    """Concatenation of rows.

    Raises:
        ValueError: If one is sparse and the other is not, or their widths differ.

    >>> join(torch.zeros(2, 3), torch.ones(1, 3)).shape
    torch.Size([3, 3])
    """
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.cat([first, second])
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        raise ValueError("Both domains must be sparse, or both dense.")
    if first.width != second.width:
        raise ValueError(
            f"Rows must have one width, got {first.width} and {second.width}."
        )
    return SparseRows(
        torch.cat([first.starts, second.starts[1:] + len(first.columns)]),
        torch.cat([first.columns, second.columns]),
        torch.cat([first.values, second.values]),
        first.width,
    )


def starts_of(counts: Tensor) -> Tensor:
    """Offsets of rows with these numbers of entries (n,), and the end: (n + 1,)."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def entries_of(starts: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets of the selected rows in a matrix of their own, and their entries.

    >>> entries_of(torch.tensor([0, 2, 2, 5]), torch.tensor([2, 0]))
    (tensor([0, 3, 5]), tensor([2, 3, 4, 0, 1]))
    """
    counts = starts[rows + 1] - starts[rows]
    offsets = starts_of(counts)
    shift = (starts[rows] - offsets[:-1]).repeat_interleave(counts)
    return offsets, shift + torch.arange(len(shift), device=shift.device)
