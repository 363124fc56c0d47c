"""Data modules of one data set: tensors in memory, on the model's scale."""

from abc import abstractmethod
from collections import defaultdict
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.core.loader import BatchLoader
from datamodules.core.resumable import ResumableDataModule
from datamodules.core.tensor_dataset import LabelledRows, numbers
from lightning_modules.core.limits import check_size, limited_to
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.contracts import DataKind, LabelledBatch

Split = Literal["train", "val", "test"]
Splits = tuple[LabelledRows[Tensor], LabelledRows[Tensor], LabelledRows[Tensor]]
"""Training, validation and test data."""


class InMemoryDataModule(ResumableDataModule):
    """Data held as one tensor, sliced by whole batches.

    A batch is a `LabelledBatch` ``(x, y)``: ``x`` float32 samples on the model's scale
    (images in [-1, 1], made on the device from the uint8 pixels that are held), ``y``
    int64 labels (n,). The order of the training rows depends on ``seed`` and the epoch
    alone, not on the number of workers, and the last short batch is dropped. Prediction
    iterates over sample numbers instead of data: int64 (n,).

    Args:
        batch_size: Samples in a batch of one process.
        n_predict: How many samples ``predict`` draws.
        flip: Mirror each training image left to right with probability 1/2.
        **options: Workers and seed of `ResumableDataModule`.

    Raises:
        ValueError: A number is out of its range; the sentence names the key.
    """

    kind: ClassVar[DataKind] = "samples"
    num_classes: int | None = None
    shape: tuple[int, ...]
    train_set: LabelledRows[Tensor]
    val_set: LabelledRows[Tensor]
    test_set: LabelledRows[Tensor]

    def __init__(
        self,
        batch_size: int = 64,
        *,
        n_predict: int = 64,
        flip: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, **options)
        check_at_least(1, "data.", n_predict=n_predict)
        self.n_predict, self.flip = n_predict, flip

    @abstractmethod
    def read(self) -> Splits:
        """Reads or makes the data; called once in every process."""

    @override
    def load(self) -> None:
        self.train_set, self.val_set, self.test_set = self.read()

    @override
    def contents(self) -> str:
        sets = {"train": self.train_set, "val": self.val_set, "test": self.test_set}
        same: dict[int, list[str]] = defaultdict(list)  # rows may serve twice
        for part, one in sets.items():
            same[id(one)].append(part)
        named = ((" = ".join(parts), sets[parts[0]]) for parts in same.values())
        parts = ", ".join(f"{names} {len(one):,}" for names, one in named)
        n = sum(len(sets[parts[0]]) for parts in same.values())
        rows = "images" if len(self.shape) == 3 else "rows"
        return f"{n:,} {rows} of {' x '.join(map(str, self.shape))} ({parts})"

    @override
    def prepare_data(self) -> None:
        """Calls `find`, except for prediction, which needs no data."""
        if self.trainer is None or not self.trainer.predicting:
            super().prepare_data()

    @override
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
        return self.to_model_scale(self._rows_of(split).x[:n])

    def random_rows(
        self, split: Split, n: int, generator: torch.Generator
    ) -> LabelledBatch:
        """A batch of a split drawn at random, no row twice, on the model's scale.

        Args:
            split: Which part of the data.
            n: How many rows; all of them if there are fewer.
            generator: Source of random numbers, on the CPU.

        Returns:
            float32 (n, *shape) and int64 (n,), on the CPU.
        """
        pairs = self._rows_of(split)
        rows = torch.randperm(len(pairs), generator=generator)[:n]
        return LabelledBatch(self.to_model_scale(pairs.x[rows]), pairs.y[rows])

    def _rows_of(self, split: Split) -> LabelledRows[Tensor]:
        self.setup()
        sets = {"train": self.train_set, "val": self.val_set, "test": self.test_set}
        return sets[split]

    @override
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Converts the pixels of a batch where the model is."""
        if isinstance(batch, Tensor):
            return batch
        x, y = batch
        return LabelledBatch(self.to_model_scale(x), y)

    @override
    def train_dataloader(self) -> BatchLoader:
        """Batches (x, y) in a new order each epoch, from where the checkpoint ended."""
        n = len(self.train_set)
        self._check_batch_size(n, "training samples")
        return self._shuffled(self.train_set, n, mirror=self.flip)

    @override
    def val_dataloader(self) -> BatchLoader:
        return self._in_order(self.val_set)

    @override
    def test_dataloader(self) -> BatchLoader:
        return self._in_order(self.test_set)

    @override
    def predict_dataloader(self) -> BatchLoader:
        """The sample numbers 0 ... n_predict - 1, int64 (n,) a batch."""
        with limited_to(self.max_gigabytes):
            name = f"data.n_predict: {self.n_predict} sample numbers"
            check_size(8 * self.n_predict, name=name)
        return self._in_order(numbers(torch.arange(self.n_predict)))
