"""A labelled source and an unlabelled target, in batches of equal size."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Sampler
from typing_extensions import override

from datamodules.adaptation.augmentation import Augmentation, AugmentedRows
from datamodules.adaptation.paired_rows import IndexPair, PairedRows
from datamodules.core.loader import BatchLoader
from datamodules.core.resumable import ResumableDataModule
from datamodules.core.tensor_dataset import LabelledRows, PairedDataset, TensorDataset
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.contracts import (
    DataKind,
    NumberedBatch,
    TwoDomainBatch,
    UnlabelledBatch,
)
from lightning_modules.data_contracts.sparse_rows import Rows


@dataclass(frozen=True)
class Domains:
    """The four parts of a pair of domains.

    Args:
        source: Trained on, with its labels.
        source_val: Labelled source rows that nothing is trained on.
        target: Target rows that are trained on. They carry no labels, so none can leak.
        target_test: Target rows that accuracy is measured on, with labels.
    """

    source: LabelledRows
    source_val: LabelledRows
    target: Rows
    target_test: LabelledRows


class TwoDomains(ResumableDataModule):
    """A source with labels and a target without.

    A training batch is a `TwoDomainBatch` ``(source_x, source_y, target_x)`` with
    ``batch_size`` rows of each domain: samples (n, ...) or `SparseRows`, labels int64
    (n,). Each domain is reshuffled every pass, and an epoch is ``batches_per_epoch``
    batches by definition, so that the smaller domain doesn't end it. Validation and
    test iterate over three loaders, whose numbers are ``dataloader_idx``: 0 the
    labelled validation rows of the source, 1 the labelled test rows of the target, both
    `LabelledBatch` ``(x, y)``, and 2 the unlabelled rows of the target, ``(x,)``.
    Prediction iterates over the target's test rows: `NumberedBatch` ``(row numbers,
    x)``.

    Target labels are in loader 1 alone, which accuracies are computed from and plots
    are coloured by (`FeatureMap`, `ConfusionMatrixPicture`); training and selection
    never see them.

    Args:
        batch_size: Rows of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch.
        **options: Workers and seed of `ResumableDataModule`.

    Attributes:
        shape: Shape of one sample.
        num_classes: Number of classes; labels are 0 ... num_classes - 1.
        class_names: Their names.
        domain_names: Names of source and target.
        domains: The data, after ``setup``.
    """

    kind: ClassVar[DataKind] = "two_domains"
    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]
    domain_names: tuple[str, str] = ("source", "target")
    domains: Domains

    def __init__(
        self, batch_size: int = 32, batches_per_epoch: int = 100, **options: Any
    ) -> None:
        super().__init__(batch_size=batch_size, **options)
        check_at_least(1, "data.", batches_per_epoch=batches_per_epoch)
        self.batches_per_epoch = batches_per_epoch

    @property
    def row_columns(self) -> Mapping[str, Sequence[int | str]]:
        """What a table of predictions says of the target's test rows, by column.

        There is nothing to say where row numbers count in the file or set that is
        tested; a column ``row`` takes the place of these numbers.
        """
        return {}

    @property
    def augmentation(self) -> Augmentation | None:
        """How training samples are changed at random, or None."""
        return None

    @abstractmethod
    def read(self) -> Domains:
        """Reads or makes the data; called once in every process."""

    @override
    def load(self) -> None:
        self.domains = self.read()

    @property
    @override
    def title(self) -> str:
        return f"{super().title}: {' to '.join(self.domain_names)}"

    @property
    @override
    def short_name(self) -> str:
        return "-".join(self.domain_names)

    @override
    def contents(self) -> str:
        domains, names = self.domains, self.domain_names
        shape = " x ".join(map(str, self.shape))
        return (
            f"{len(domains.source):,} rows of {shape} of {names[0]} with labels, "
            f"{len(domains.source_val):,} for validation; {len(domains.target):,} of "
            f"{names[1]} without, {len(domains.target_test):,} for test"
        )

    @override
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Converts the pixels of a batch where the model is; labels stay."""
        parts = [self.on_model_scale(part) for part in batch]
        return tuple(parts) if type(batch) is tuple else type(batch)(*parts)

    def on_model_scale(self, part: Any) -> Any:
        """Rows as networks take them: pixels converted, all else as it is."""
        pixels = isinstance(part, Tensor) and part.dtype == torch.uint8
        return self.to_model_scale(part) if pixels else part

    def random_rows(
        self, split: str, n: int, generator: torch.Generator
    ) -> TwoDomainBatch:
        """A batch drawn at random, with as many rows of one domain as of the other.

        Args:
            split: ``train``, the only split of both.
            n: How many rows, or as many as the smaller domain has.
            generator: Source of random numbers, on the CPU.

        Returns:
            Source samples, their labels and target samples on the model's scale, on
            the CPU.
        """
        assert split == "train", split
        self.setup()
        source, target = self.domains.source, self.domains.target
        n = min(n, len(source), len(target))
        source_rows, target_rows = (
            torch.randperm(len(rows), generator=generator)[:n]
            for rows in (source, target)
        )
        return TwoDomainBatch(
            self.on_model_scale(source.x[source_rows]),
            source.y[source_rows],
            self.on_model_scale(target[target_rows]),
        )

    @override
    def train_dataloader(self) -> BatchLoader:
        """Batches of both domains, from where the checkpoint ended."""
        source, target = self.domains.source, self.domains.target
        sizes = (len(source), len(target))
        for name, n in zip(self.domain_names, sizes, strict=True):
            self._check_batch_size(n, "rows of each domain", f"'{name}' has")

        def rows(epoch: int, start: int) -> Sampler[IndexPair]:
            place, steps = self._place(epoch, start), self.batches_per_epoch
            rows = PairedRows(sizes, self.batch_size, steps=steps, **place)
            change = self.augmentation
            return AugmentedRows(rows, change) if change else rows

        return self._training_loader(PairedDataset(source, target), rows)

    @override
    def val_dataloader(self) -> list[BatchLoader]:
        """Source with labels, target with labels, target without; each in order."""
        sets = (
            self.domains.source_val,
            self.domains.target_test,
            TensorDataset(UnlabelledBatch, self.domains.target),
        )
        return [self._in_order(one) for one in sets]

    @override
    def test_dataloader(self) -> list[BatchLoader]:
        return self.val_dataloader()

    @override
    def predict_dataloader(self) -> BatchLoader:
        """Row numbers and samples of the target's test rows."""
        x = self.domains.target_test.x
        numbered = TensorDataset(NumberedBatch, torch.arange(len(x)), x)
        return self._in_order(numbered)
