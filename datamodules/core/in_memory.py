"""What data modules of one data set share: tensors in memory, on the model's scale."""

from abc import abstractmethod
from typing import Any, Literal

import torch
from torch import Tensor

from datamodules.core.arguments import at_least
from datamodules.core.loader import BatchLoader
from datamodules.core.resumable import ResumableDataModule
from datamodules.core.tensor_dataset import SampleNumbers, TensorPairs

Split = Literal["train", "val", "test"]
Splits = tuple[TensorPairs, TensorPairs, TensorPairs]
"""Training, validation and test data."""


class InMemoryDataModule(ResumableDataModule):
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
        super().__init__(batch_size, num_workers, seed)
        at_least("n_predict", n_predict, 1)
        self.n_predict, self.flip = n_predict, flip

    @abstractmethod
    def read(self) -> Splits:
        """Reads or makes the data; called once in every process."""

    def load(self) -> None:
        """Keeps what `read` gives."""
        self.train_set, self.val_set, self.test_set = self.read()

    def prepare_data(self) -> None:
        """Calls `find`, except for prediction, which needs no data."""
        if self.trainer is None or not self.trainer.predicting:
            super().prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Reads the data, once; prediction needs none."""
        if stage != "predict":
            super().setup(stage)

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

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Converts the pixels of a batch where the model is."""
        if isinstance(batch, Tensor):
            return batch
        x, y = batch
        return self.to_model_scale(x), y

    def train_dataloader(self) -> BatchLoader:
        """Batches (x, y) in a new order each epoch, from where the checkpoint ended."""
        n = len(self.train_set)
        self._check_batch_size(n, "training samples")
        return self._shuffled(self.train_set, n, mirror=self.flip)

    def val_dataloader(self) -> BatchLoader:
        """Every validation sample once, in order."""
        return self._in_order(self.val_set)

    def test_dataloader(self) -> BatchLoader:
        """Every test sample once, in order."""
        return self._in_order(self.test_set)

    def predict_dataloader(self) -> BatchLoader:
        """The sample numbers 0 ... n_predict - 1, int64 (n,) a batch."""
        return self._in_order(SampleNumbers(self.n_predict))
