"""Data sets of tensors and sparse rows that are sliced by whole batches."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from lightning_modules.data_contracts.contracts import (
    LabelledBatch,
    RowsT,
    TwoDomainBatch,
    UnlabelledBatch,
)
from lightning_modules.data_contracts.sparse_rows import Rows

BatchT = TypeVar("BatchT")


class RowTransform(Protocol):
    """A change of the samples of a batch, with what was drawn for each of them."""

    def rows(self, x: Tensor, rows: Tensor) -> Tensor:
        """The named rows of x, int64 (n,), changed: (n, ...)."""


Index: TypeAlias = tuple[Tensor, RowTransform | None]
"""Row numbers of a batch, int64 (n,), and what is done to their samples."""


@dataclass(frozen=True)
class Mirror:
    """Reflection of images left to right, of the rows where ``mirrored``, bool (n,)."""

    mirrored: Tensor

    def rows(self, x: Tensor, rows: Tensor) -> Tensor:
        """The named rows of images (m, c, h, w), some of them reflected.

        >>> mirror = Mirror(torch.tensor([False, True]))
        >>> mirror.rows(torch.arange(2).view(1, 1, 1, 2), torch.tensor([0, 0])).tolist()
        [[[[0, 1]]], [[[1, 0]]]]
        """
        x = x.index_select(0, rows)
        return torch.where(self.mirrored.view(-1, 1, 1, 1), x.flip(-1), x)


class TensorDataset(Dataset[BatchT]):
    """Columns of equally many rows, held in memory.

    Fetching a batch costs one indexing operation a column instead of a call for every
    row.

    Args:
        batch: Makes a batch from the rows of each column, such as `LabelledBatch`.
        *columns: Tensors (n, ...) or `SparseRows`; the first one is transformed.

    >>> pairs = TensorDataset(LabelledBatch, torch.arange(6.0).view(3, 2), torch.eye(3))
    >>> pairs[torch.tensor([2, 0]), None].x
    tensor([[4., 5.],
            [0., 1.]])
    """

    def __init__(self, batch: Callable[..., BatchT], *columns: Rows) -> None:
        lengths = [len(column) for column in columns]
        assert len(set(lengths)) == 1, f"columns of {lengths} rows"
        self.batch, self.columns = batch, columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index: Index) -> BatchT:
        rows, transform = index
        if transform is None:
            return self.batch(*(_select(column, rows) for column in self.columns))
        first, *others = self.columns
        assert isinstance(first, Tensor)
        parts = (_select(column, rows) for column in others)
        return self.batch(transform.rows(first, rows), *parts)


class LabelledRows(TensorDataset[LabelledBatch], Generic[RowsT]):
    """Samples and their labels.

    Args:
        x: Samples (n, ...), dense or sparse.
        y: Labels, int64 (n,); -1 is unknown.
    """

    def __init__(self, x: RowsT, y: Tensor) -> None:
        super().__init__(LabelledBatch, x, y)
        self.x, self.y = x, y

    def part(self, rows: slice | Tensor) -> "LabelledRows[RowsT]":
        """The named rows as a data set of their own."""
        return LabelledRows(self.x[rows], self.y[rows])  # type: ignore[arg-type]


class PairedDataset(Dataset[TwoDomainBatch]):
    """Rows of a labelled source, and of a target without labels.

    Args:
        source: Indexed by the first half of an index.
        target: Indexed by the second half.
    """

    def __init__(self, source: LabelledRows, target: Rows) -> None:
        self.source, self.target = source, TensorDataset(UnlabelledBatch, target)

    def __getitem__(self, index: tuple[Index, Index]) -> TwoDomainBatch:
        return TwoDomainBatch(*self.source[index[0]], *self.target[index[1]])


def numbers(rows: Tensor) -> TensorDataset[Tensor]:
    """Row numbers, int64 (n,), whose batches are tensors.

    >>> numbers(torch.arange(5))[torch.tensor([3, 4]), None]
    tensor([3, 4])
    """
    return TensorDataset(as_it_is, rows)


def as_it_is(batch: BatchT) -> BatchT:
    """A batch that needs no more making."""
    return batch


def _select(column: Rows, rows: Tensor) -> Rows:
    """Some rows; ``index_select`` is several times as fast on a CPU as brackets."""
    if isinstance(column, Tensor):
        return column.index_select(0, rows)
    return column[rows]
