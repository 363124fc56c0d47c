"""Data in memory, sliced by whole batches, resumed at the very next one."""

import os
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import override

from datamodules.core.loader import BatchLoader, IndicesOfEpoch
from datamodules.core.samplers import OrderedRows, TrainingRows
from lightning_modules.core.distributed import data_ranks
from lightning_modules.core.files import readable
from lightning_modules.core.lightning_internals import (
    batches_in_flight,
    batches_trained,
)
from lightning_modules.core.limits import limited_to
from lightning_modules.core.validation import (
    check_at_least,
    check_at_most,
    check_positive,
    check_seed,
)
from lightning_modules.data_contracts.contracts import DataKind

MOST_WORKERS = max(64, 4 * (os.cpu_count() or 1))
"""Worker processes beyond which starting them would take memory and time alone."""


class ResumableDataModule(LightningDataModule, ABC):
    """Reads its data once and knows the next training batch.

    A checkpoint holds how many batches of which epoch were used, and a resumed run goes
    on with exactly the next one, whatever the number of workers.

    Args:
        batch_size: Rows in a batch of one process; of each domain, where there are two.
        num_workers: Worker processes that slice batches. 0 is fastest for data in
            memory; the batches are the same for any number.
        seed: Seed of the order of the training rows and of what is drawn at random.
        max_gigabytes: Memory that what is in one file may take, in 10^9 bytes. None
            takes what is free, but of a file that is packed no more than 500 times its
            size or 1 GiB, see `check_size`.

    Raises:
        ValueError: A number is out of its range; the sentence names the key.
    """

    kind: ClassVar[DataKind]
    """What the batches are, for methods that take only some."""
    levels: ClassVar[float] = 255.0
    """Value of a white pixel."""
    skipped_files: int = 0
    """Files that were left out: they could not be read, or are no images."""

    def __init__(
        self,
        batch_size: int,
        num_workers: int = 0,
        seed: int = 0,
        max_gigabytes: float | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, "data.", batch_size=batch_size)
        check_at_least(0, "data.", num_workers=num_workers)
        check_at_most(MOST_WORKERS, "data.", num_workers=num_workers)
        check_positive(**{"data.max_gigabytes": max_gigabytes})
        check_seed("data.", seed=seed)
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.max_gigabytes, self._is_read = max_gigabytes, False
        self._start = (0, 0)
        self._train_loader: BatchLoader | None = None

    @abstractmethod
    def load(self) -> None:
        """Reads or makes the data and keeps it; called once in every process."""

    @abstractmethod
    def contents(self) -> str:
        """What was read, with the numbers of rows in each part."""

    def find(self) -> None:
        """Checks that the data is there; downloads it where that was asked for."""

    @property
    def title(self) -> str:
        """The class and what tells its data from others', for titles of plots."""
        return type(self).__name__

    @property
    def short_name(self) -> str:
        """What the data is called in the names of runs: its file, folder or domains."""
        places = (vars(self).get(name) for name in ("root", "path", "table", "name"))
        place = next((str(place) for place in places if place), type(self).__name__)
        path = Path(place).resolve()
        return path.name if path.is_dir() else path.stem

    def summary(self) -> str:
        """A line about the data: its class, its place, what was read or left out."""
        places = (vars(self).get(name) for name in ("root", "path", "table", "name"))
        place = next((f" {readable(str(place))}" for place in places if place), "")
        skipped = f", {self.skipped_files:,} files skipped" * bool(self.skipped_files)
        contents = (
            self._contents if self._is_read else "not read, as nothing of it is needed"
        )
        return f"{type(self).__name__}{place}: {contents}{skipped}"

    @cached_property
    def _contents(self) -> str:
        return self.contents()  # once: every checkpoint asks

    @override
    def prepare_data(self) -> None:
        with limited_to(self.max_gigabytes):
            self.find()

    @override
    def setup(self, stage: str | None = None) -> None:
        if stage == "fit":
            epoch = self.trainer.current_epoch if self.trainer else 0
            self._start, self._train_loader = (epoch, 0), None
        if not self._is_read:
            with limited_to(self.max_gigabytes):
                self.find()
                self.load()
            self._is_read = True

    def to_model_scale(self, x: Tensor) -> Tensor:
        """Pixels 0 ... levels to [-1, 1] in the trainer's precision; points stay."""
        if x.is_floating_point():
            return x
        scaled = x.float().div_(self.levels / 2).sub_(1)
        if self.trainer is None:
            return scaled
        converted: Tensor = self.trainer.precision_plugin.convert_input(scaled)
        return converted

    @override
    def state_dict(self) -> dict[str, Any]:
        """The next batch to train on: its epoch and its number in that epoch."""
        epoch, batch = self._position()
        return {"epoch": epoch, "batch": batch}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Makes the next training loader start at the batch that was saved."""
        self._start = (state_dict["epoch"], state_dict["batch"])
        self._train_loader = None

    def _position(self) -> tuple[int, int]:
        loader = self._train_loader
        if loader is None or not loader.begun:
            return self._start
        batch, limit = loader.batch, float(len(loader))
        if self.trainer is not None:
            # in the middle of a step the batch counts as fetched, but not yet as used
            batch -= batches_in_flight(self.trainer)
            limit = min(limit, self.trainer.num_training_batches)
        return (loader.epoch, batch) if batch < limit else (loader.epoch + 1, 0)

    def _check_batch_size(self, n: int, rows: str, has: str = "there are") -> None:
        """Refuses fewer rows than all processes together take at a time."""
        processes = self._processes["world_size"]
        joint = self.batch_size * processes
        remedy = f"; set it to at most {n // processes}"
        if n < processes:
            remedy = " to train on; add some, or hold out fewer"
        if n < joint:
            raise ValueError(
                f"data.batch_size: {self.batch_size} on {processes} process(es) takes "
                f"{joint} {rows} at a time, but {has} {n}{remedy}."
            )

    def _shuffled(
        self,
        data: Dataset[Any],
        n: int,
        *,
        mirror: bool = False,
        groups: Tensor | None = None,
    ) -> BatchLoader:
        """Batches of n training rows in a new order each epoch, see `TrainingRows`."""

        def rows(epoch: int, start: int) -> TrainingRows:
            place = self._place(epoch, start)
            return TrainingRows(n, self.batch_size, mirror, groups, **place)

        return self._training_loader(data, rows)

    def _training_loader(
        self, data: Dataset[Any], indices: IndicesOfEpoch
    ) -> BatchLoader:
        """Batches from where the checkpoint ended."""
        self._train_loader = BatchLoader(
            data, indices, self.num_workers, *self._position(), self._used
        )
        return self._train_loader

    def _used(self) -> tuple[int, float]:
        """Batches that were trained on, and how many an epoch has at most."""
        if self.trainer is None:
            return 0, 0.0
        return batches_trained(self.trainer), self.trainer.num_training_batches

    def _in_order(
        self, data: Dataset[Any], batch_size: int | None = None
    ) -> BatchLoader:
        n = len(data)  # type: ignore[arg-type]
        rows = OrderedRows(n, batch_size or self.batch_size, **self._processes)
        return BatchLoader(data, lambda *_: rows, self.num_workers)

    def _place(self, epoch: int, start: int) -> dict[str, Any]:
        """Arguments of an `EpochSampler`."""
        trainer: Any = self.trainer
        # Trainer(overfit_batches=...) wants the same few batches in every epoch
        shuffle = trainer is None or not trainer.overfit_batches
        place = {"seed": self.seed, "epoch": epoch, "start": start, "shuffle": shuffle}
        return place | self._processes

    @property
    def _processes(self) -> dict[str, int]:
        if self.trainer is None:
            return {"rank": 0, "world_size": 1}
        return data_ranks(self.trainer)

    @property
    def _is_first_process(self) -> bool:
        """Whether this process is the one that shows progress and warns."""
        return self.trainer is None or self.trainer.is_global_zero
