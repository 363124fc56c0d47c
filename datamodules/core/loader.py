"""Loader of whole batches that knows its position in the epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from datamodules.core.tensor_dataset import as_it_is

IndicesOfEpoch = Callable[[int, int], Sampler[Any]]
"""(epoch, batches of it used already) -> the batches that are left."""


class BatchLoader:
    """Loader of whole batches, from any batch of any epoch on.

    Wraps a fresh :class:`torch.utils.data.DataLoader` for each epoch. It counts the
    batches that were handed out, not those that worker processes have fetched ahead,
    and it counts epochs itself: the first iteration goes on at (epoch, batch), every
    later one at the start of the next epoch. It is not a ``DataLoader`` on purpose,
    because Lightning replaces the sampler of those when several processes train.

    Args:
        data: Data set that is indexed by the rows of a whole batch.
        indices: Makes the sampler of an epoch.
        num_workers: Worker processes; 0 slices in the training process, which is the
            fastest for data in memory.
        epoch: First epoch to iterate over.
        batch: Batches of the first epoch to leave out.
        used: Counts the batches that were trained on, from any start, and says how many
            an epoch has; None takes every epoch as used up when the next one begins.

    Attributes:
        epoch: Epoch of the batch handed out last.
        batch: Batches of that epoch handed out so far.
        begun: Whether any batch was asked for.
    """

    def __init__(
        self,
        data: Dataset[Any],
        indices: IndicesOfEpoch,
        num_workers: int = 0,
        epoch: int = 0,
        batch: int = 0,
        used: Callable[[], tuple[int, float]] | None = None,
    ) -> None:
        self.data, self.indices, self.num_workers = data, indices, num_workers
        self.used, self._first, self._used_before = used, batch, 0
        self.epoch, self.batch, self.begun = epoch, batch, False

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return len(self.indices(0, 0))  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        # A generator: nothing happens before the first batch is wanted. Lightning
        # makes iterators that it never uses, and makes some before it knows the epoch.
        if self.begun:
            self._go_on()
        self.begun = True
        self._first, (self._used_before, _) = self.batch, self._counted()
        for batch in self._torch_loader():
            self.batch += 1
            yield batch

    def _go_on(self) -> None:
        """To the next epoch, or on with this one if it was left early.

        Where a finished run is prolonged, Lightning takes up its last epoch, finds it
        done after no batch or one, and begins another.
        """
        used, limit = self._counted()
        place = self._first + used - self._used_before
        if self.used is None or place >= min(len(self), limit):
            self.epoch, place = self.epoch + 1, 0
        self.batch = place

    def _counted(self) -> tuple[int, float]:
        return self.used() if self.used is not None else (0, 0.0)

    def _torch_loader(self) -> DataLoader[Any]:
        return DataLoader(
            self.data,
            batch_size=None,
            sampler=self.indices(self.epoch, self.batch),
            num_workers=self.num_workers,
            collate_fn=as_it_is,
            # a DataLoader draws a seed for its workers; without a generator of its own
            # it takes that from the global stream and shifts everything after it
            generator=torch.Generator(),
        )

    def state_dict(self) -> dict[str, Any]:
        """Empty: the data module keeps the position (Lightning asks for the method)."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing: the data module has set the position already."""
