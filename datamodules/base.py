"""What all data modules share: tensors in memory, whole batches, exact resume."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningDataModule
from torch import Tensor

from datamodules.arguments import at_least
from datamodules.loader import BatchLoader
from datamodules.sampler import OrderedRows, TrainingRows
from datamodules.tensor_pairs import SampleNumbers, TensorPairs

Split = Literal["train", "val", "test"]
Splits = tuple[TensorPairs, TensorPairs, TensorPairs]
"""Training, validation and test data."""


class InMemoryDataModule(LightningDataModule, ABC):
    """Data held as one tensor, sliced by whole batches.

    A batch is ``(x, y)``: ``x`` float32 samples on the model's scale (pictures in
    [-1, 1], made on the device from the uint8 pixels that are held), ``y`` int64
    labels (n,). The order of the training rows depends on ``seed`` and the epoch
    alone, not on the number of workers, and the last short batch is dropped. A
    checkpoint holds how many batches of which epoch were used, and a resumed run goes
    on with exactly the next one. Prediction iterates over sample numbers instead of
    data: int64 (n,).

    Args:
        batch_size: Samples in a batch of one process.
        num_workers: Worker processes that slice batches. 0 is fastest for data in
            memory; the batches are the same for any number.
        seed: Seed of the order of the training rows and of what is drawn at random.
        n_predict: How many sample numbers ``predict`` iterates over.
        flip: Mirror each training picture left to right with probability 1/2.

    Raises:
        ValueError: A number is out of its range; the sentence names the key.
    """

    levels: ClassVar[float] = 255.0
    """Value of a white pixel."""
    num_classes: int | None = None
    shape: tuple[int, ...]
    train_set: TensorPairs
    val_set: TensorPairs
    test_set: TensorPairs

    def __init__(
        self,
        batch_size: int,
        num_workers: int = 0,
        seed: int = 0,
        n_predict: int = 64,
        flip: bool = False,
    ) -> None:
        super().__init__()
        at_least("batch_size", batch_size, 1)
        at_least("num_workers", num_workers, 0)
        at_least("n_predict", n_predict, 1)
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.n_predict, self.flip = n_predict, flip
        self._start = (0, 0)
        self._train_loader: BatchLoader | None = None

    @abstractmethod
    def read(self) -> Splits:
        """Reads or makes the data; called once in every process."""

    def find(self) -> None:
        """Checks that the data is there; downloads it where that was asked for."""

    def prepare_data(self) -> None:
        """Calls `find`, except for prediction, which needs no data."""
        if self.trainer is None or not self.trainer.predicting:
            self.find()

    def setup(self, stage: str | None = None) -> None:
        """Reads the data, once; prediction needs none."""
        if stage == "fit":
            epoch = self.trainer.current_epoch if self.trainer else 0
            self._start, self._train_loader = (epoch, 0), None
        if stage != "predict" and not hasattr(self, "train_set"):
            self.find()
            self.train_set, self.val_set, self.test_set = self.read()

    def real(self, split: Split, n: int | None = None) -> Tensor:
        """The first n samples of a split, in order, on the model's scale.

        Args:
            split: Which part of the data.
            n: How many; all of them if None or if there are fewer.

        Returns:
            float32, (n, *shape), on the CPU.
        """
        self.setup()
        pairs: TensorPairs = getattr(self, f"{split}_set")
        return self.to_model_scale(pairs.x[:n])

    def random_rows(self, split: Split, n: int, generator: torch.Generator) -> Tensor:
        """Samples of a split drawn at random, none twice, on the model's scale.

        Args:
            split: Which part of the data.
            n: How many; all of them if there are fewer.
            generator: Source of random numbers, on the CPU.

        Returns:
            float32, (n, *shape), on the CPU.
        """
        self.setup()
        pairs: TensorPairs = getattr(self, f"{split}_set")
        rows = torch.randperm(len(pairs.x), generator=generator)[:n]
        return self.to_model_scale(pairs.x[rows])

    def to_model_scale(self, x: Tensor) -> Tensor:
        """Pixels 0 ... levels to float32 in [-1, 1]; points are left as they are."""
        if x.is_floating_point():
            return x
        return x.float().div_(self.levels / 2).sub_(1)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Converts the pixels of a batch where the model is."""
        if isinstance(batch, Tensor):
            return batch
        x, y = batch
        return self.to_model_scale(x), y

    def train_dataloader(self) -> BatchLoader:
        """Batches (x, y) in a new order each epoch, from where the checkpoint ended."""
        n, processes = len(self.train_set), self._processes["world_size"]
        if n < self.batch_size * processes:
            raise ValueError(
                f"data.batch_size: {self.batch_size} on {processes} process(es) takes "
                f"{self.batch_size * processes} training samples at a time, but there "
                f"are {n}; set it to at most {n // processes}."
            )
        self._train_loader = BatchLoader(
            self.train_set, self._training_rows, self.num_workers, *self._position()
        )
        return self._train_loader

    def val_dataloader(self) -> BatchLoader:
        """Every validation sample once, in order."""
        return self._in_order(self.val_set)

    def test_dataloader(self) -> BatchLoader:
        """Every test sample once, in order."""
        return self._in_order(self.test_set)

    def predict_dataloader(self) -> BatchLoader:
        """The sample numbers 0 ... n_predict - 1, int64 (n,) a batch."""
        return self._in_order(SampleNumbers(self.n_predict))

    def state_dict(self) -> dict[str, Any]:
        """The next batch to train on: its epoch and its number in that epoch."""
        epoch, batch = self._position()
        return {"epoch": epoch, "batch": batch}

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
            progress = self.trainer.fit_loop.epoch_loop.batch_progress.current
            batch -= progress.ready - progress.processed  # type: ignore[attr-defined]
            limit = min(limit, self.trainer.num_training_batches)
        return (loader.epoch, batch) if batch < limit else (loader.epoch + 1, 0)

    def _training_rows(self, epoch: int, start: int) -> TrainingRows:
        return TrainingRows(
            len(self.train_set),
            self.batch_size,
            seed=self.seed,
            epoch=epoch,
            start=start,
            # Trainer(overfit_batches=...) wants the same few batches in every epoch
            shuffle=not getattr(self.trainer, "overfit_batches", 0),
            mirror=self.flip,
            **self._processes,
        )

    def _in_order(self, data: TensorPairs | SampleNumbers) -> BatchLoader:
        rows = OrderedRows(len(data), self.batch_size, **self._processes)
        return BatchLoader(data, lambda *_: rows, self.num_workers)

    @property
    def _processes(self) -> dict[str, int]:
        if self.trainer is None:
            return {"rank": 0, "world_size": 1}
        return {
            "rank": self.trainer.global_rank,
            "world_size": self.trainer.world_size,
        }
