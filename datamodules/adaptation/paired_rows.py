"""Rows of two domains, each reshuffled every pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

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
