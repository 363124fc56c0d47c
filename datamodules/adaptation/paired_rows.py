"""Rows of two domains, each reshuffled every pass; random crops of their images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.utils.data import Sampler

from datamodules.core.samplers import EpochSampler, seeded_generator
from datamodules.core.tensor_dataset import Index

IndexPair: TypeAlias = tuple[Index, Index]
"""Rows of a batch in the source and in the target."""


@dataclass(eq=False)
class PairedRows(EpochSampler[IndexPair]):
    """One epoch of rows of both domains, each reshuffled every pass.

    The order of a pass follows from (seed, domain, pass) alone; rows that don't fill a
    batch are left out until the next pass. The batches of
    ``world_size`` processes, put end to end by rank, are those of one process with a
    batch ``world_size`` times as large. Seed, epoch and process are those of
    `EpochSampler`.

    Args:
        sizes: Rows of source and target, each at least one joint batch.
        batch_size: Rows of each domain in the batch of one process.
        steps: Batches of an epoch.

    >>> rows = PairedRows((5, 2), 2, steps=3, seed=0, shuffle=False)
    >>> [(source.tolist(), target.tolist()) for (source, _), (target, _) in rows]
    [([0, 1], [0, 1]), ([2, 3], [0, 1]), ([0, 1], [0, 1])]
    """

    sizes: tuple[int, int]
    batch_size: int
    steps: int

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return self.steps

    def __iter__(self) -> Iterator[IndexPair]:
        first = self.epoch * self.steps
        source, target = (self._domain(k, first + self.start) for k in (0, 1))
        for _ in range(self.start, self.steps):
            yield (next(source), None), (next(target), None)

    def _domain(self, domain: int, batch: int) -> Iterator[Tensor]:
        """Rows of a domain from a batch on, counted from the start of training."""
        joint = self.batch_size * self.world_size
        per_pass = self.sizes[domain] // joint
        while True:
            order = self._order(domain, batch // per_pass)
            for place in range(batch % per_pass, per_pass):
                begin = place * joint + self.rank * self.batch_size
                yield order[begin : begin + self.batch_size]
            batch += per_pass - batch % per_pass

    def _order(self, domain: int, number: int) -> Tensor:
        if not self.shuffle:
            return torch.arange(self.sizes[domain])
        generator = seeded_generator("domains", self.seed, domain, number)
        return torch.randperm(self.sizes[domain], generator=generator)


@dataclass(frozen=True)
class Crops:
    """Crops that were drawn for the rows of a batch.

    Args:
        size: Height and width of the crops.
        top: First line of the crop, int64 (n,).
        left: First column of the crop, int64 (n,).
        mirrored: Which rows are flipped left to right, bool (n,).
    """

    size: int
    top: Tensor
    left: Tensor
    mirrored: Tensor

    def rows(self, x: Tensor, rows: Tensor) -> Tensor:
        """The named rows of images (m, c, h, w), cropped: (n, c, size, size).

        >>> crops = Crops(2, torch.tensor([1]), torch.tensor([0]), torch.tensor([True]))
        >>> crops.rows(torch.arange(9).view(1, 1, 3, 3), torch.tensor([0]))
        tensor([[[[4, 3],
                  [7, 6]]]])
        """
        size = self.size
        windows = x.unfold(2, size, 1).unfold(3, size, 1)  # a view, (m, c, h, w, ...)
        crops = windows[rows, :, self.top, self.left]
        crops[self.mirrored] = crops[self.mirrored].flip(-1)
        return crops


@dataclass(eq=False)
class CroppedRows(Sampler[IndexPair]):
    """Rows of both domains, with crops drawn for each of them.

    The crops of a batch come from a stream that its number alone decides (counted over
    all epochs, with the seed), and a row has the one of its place in the batch joined
    over all processes. So they depend neither on workers nor on how often a run was
    resumed, and two processes draw what one with twice the batch draws.

    Args:
        rows: The rows of an epoch.
        size: Height and width of the crops.
        places: Places that a crop can begin at, in each direction; 1 for no crops.
        flip: Mirror each row with probability 1/2.
    """

    rows: PairedRows
    size: int
    places: int
    flip: bool

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return len(self.rows)

    def __iter__(self) -> Iterator[IndexPair]:
        first = self.rows.epoch * self.rows.steps + self.rows.start
        for batch, ((source, _), (target, _)) in enumerate(self.rows, first):
            generator = seeded_generator("augmentation", self.rows.seed, batch)
            here, there = self._crops(generator), self._crops(generator)
            yield (source, here), (target, there)

    def _crops(self, generator: torch.Generator) -> Crops:
        n = self.rows.batch_size
        joint, first = n * self.rows.world_size, n * self.rows.rank
        uniform = torch.rand(3, joint, generator=generator)[:, first : first + n]
        top, left = (uniform[:2] * self.places).long()
        return Crops(self.size, top, left, (uniform[2] < 0.5) & self.flip)
