"""A data set that is two tensors, sliced by whole batches."""

import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.core.arguments import at_least

Rows = tuple[Tensor, Tensor | None]
"""Row numbers of a batch, int64 (n,), and which of them to mirror, bool (n,)."""


class TensorPairs(Dataset[tuple[Tensor, Tensor]]):
    """Samples and their labels, held in memory.

    Fetching a batch costs one indexing operation instead of a call for every sample.

    Args:
        x: Samples, (n, ...): uint8 pictures (n, channels, height, width) or float32
            points (n, d).
        y: Labels, int64 (n,).

    >>> pairs = TensorPairs(torch.arange(6.0).reshape(3, 2), torch.tensor([0, 1, 2]))
    >>> pairs[torch.tensor([2, 0]), None]
    (tensor([[4., 5.],
            [0., 1.]]), tensor([2, 0]))
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        assert len(x) == len(y), f"{len(x)} samples with {len(y)} labels"
        self.x = x
        self.y = y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Rows) -> tuple[Tensor, Tensor]:
        rows, mirrored = index
        x = self.x.index_select(0, rows)  # several times as fast as x[rows] on a CPU
        if mirrored is not None:
            x = torch.where(mirrored.view(-1, 1, 1, 1), x.flip(-1), x)
        return x, self.y.index_select(0, rows)

    def part(self, rows: slice | Tensor) -> "TensorPairs":
        """The named rows as a data set of their own."""
        return TensorPairs(self.x[rows], self.y[rows])


class SampleNumbers(Dataset[Tensor]):
    """The numbers 0 ... n - 1, fetched by whole batches: what prediction iterates over.

    >>> SampleNumbers(5)[torch.tensor([3, 4]), None]
    tensor([3, 4])
    """

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: Rows) -> Tensor:
        return index[0]


def hold_out_last(train: TensorPairs, n_val: int) -> tuple[TensorPairs, TensorPairs]:
    """Training samples without the last n_val, and those; with 0 all serve for both."""
    at_least("n_val", n_val, 0)
    if n_val >= len(train):
        raise ValueError(
            f"data.n_val is {n_val}, but there are only {len(train)} training samples; "
            f"set it to at most {len(train) - 1}."
        )
    cut = len(train) - n_val
    return train.part(slice(cut)), train.part(slice(cut, None)) if n_val else train
