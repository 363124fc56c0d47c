"""Samplers of the rows of whole batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import Sampler

from datamodules.core.tensor_dataset import Index, Mirror
from lightning_modules.core.random import seed_of


def seeded_generator(stream: str, *key: int) -> torch.Generator:
    """A CPU generator for one purpose, different for every key.

    >>> first, second = seeded_generator("order", 0, 1), seeded_generator("order", 1, 0)
    >>> first.initial_seed() == second.initial_seed()
    False
    """
    return torch.Generator().manual_seed(seed_of(stream, *key))


IndexT = TypeVar("IndexT")


@dataclass(eq=False, kw_only=True)
class EpochSampler(Sampler[IndexT]):
    """Rows of the batches of one epoch, of one process among several.

    Args:
        seed: Seed of the order.
        epoch: Number of the epoch, from 0.
        start: Batches of this epoch that were used already.
        rank: Number of this process.
        world_size: How many processes train together.
        shuffle: False keeps the order of the data in every epoch.
    """

    seed: int
    epoch: int = 0
    start: int = 0
    rank: int = 0
    world_size: int = 1
    shuffle: bool = True


@dataclass(eq=False)
class TrainingRows(EpochSampler[Index]):
    """One epoch of full batches in an order that (seed, epoch) alone decides.

    Every process computes the same permutation and takes its own part of each joint
    batch, so that the batches of ``world_size`` processes, put end to end by rank,
    are those of one process with a batch ``world_size`` times as large. Which
    images are mirrored comes from the same generator, after the permutation. Seed,
    epoch and process are those of `EpochSampler`.

    Args:
        n_rows: Rows of the data set.
        batch_size: Rows in the batch of one process.
        mirror: Draw for each row whether it is flipped left to right.
        groups: Group of each row, from 0; the rows of a group then come one after
            another, the groups in random order. None puts the rows in random order.

    >>> [rows.tolist() for rows, _ in TrainingRows(7, 2, seed=0, shuffle=False)]
    [[0, 1], [2, 3], [4, 5]]
    """

    n_rows: int
    batch_size: int
    mirror: bool = False
    groups: Tensor | None = None

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return self.n_rows // (self.batch_size * self.world_size)

    def __iter__(self) -> Iterator[Index]:
        order, mirrored = self._draw()
        for batch in range(self.start, len(self)):
            first = (batch * self.world_size + self.rank) * self.batch_size
            part = slice(first, first + self.batch_size)
            yield order[part], None if mirrored is None else Mirror(mirrored[part])

    def _draw(self) -> tuple[Tensor, Tensor | None]:
        generator = seeded_generator("order", self.seed, self.epoch)
        order = torch.arange(self.n_rows)
        if self.shuffle:
            order = torch.randperm(self.n_rows, generator=generator)
        if self.groups is not None:
            order = _together(self.groups[order], order, generator)
        if not self.mirror:
            return order, None
        return order, torch.rand(self.n_rows, generator=generator) < 0.5


def _together(groups: Tensor, order: Tensor, generator: torch.Generator) -> Tensor:
    """Rows in an order (n,), brought together by their groups (n,)."""
    turns = torch.randperm(int(groups.max()) + 1, generator=generator)
    return order[turns[groups].argsort(stable=True)]


@dataclass(eq=False)
class OrderedRows(Sampler[Index]):
    """Every row once and in order, each batch shared out evenly to the processes.

    All processes make the same number of batches, because some strategies wait for
    each other in every one. Where fewer rows than processes remain, the batch before
    gives some up; only where it can't does a process without a row of its own repeat
    the last one.

    Args:
        n_rows: Rows of the data set.
        batch_size: Rows in the batch of one process.
        rank: Number of this process.
        world_size: How many processes work together.

    >>> [rows.tolist() for rows, _ in OrderedRows(5, 2)]
    [[0, 1], [2, 3], [4]]
    """

    n_rows: int
    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return -(-self.n_rows // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[Index]:
        for joint in torch.split(torch.arange(self.n_rows), self._sizes()):
            own = joint.tensor_split(self.world_size)[self.rank]
            yield (own if len(own) else joint[-1:]), None

    def _sizes(self) -> list[int]:
        """Numbers of rows in each joint batch."""
        together = self.batch_size * self.world_size
        sizes = [together] * (self.n_rows // together)
        rest = self.n_rows % together
        lacking = self.world_size - rest
        if sizes and 0 < rest < self.world_size <= together - lacking:
            return [*sizes[:-1], together - lacking, self.world_size]
        return [*sizes, rest] if rest else sizes
