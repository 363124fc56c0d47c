"""A labelled source and an unlabelled target, in batches of equal size."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from datamodules.core.arguments import at_least
from datamodules.core.loader import BatchLoader
from datamodules.core.resumable import ResumableDataModule
from datamodules.core.samplers import seeded_generator
from lightning_modules.data_contracts.sparse_rows import Rows

RowPair = tuple[Tensor, Tensor]
"""Row numbers of a batch, int64 (n,), in the source and in the target."""


@dataclass(frozen=True)
class LabelledRows(Dataset[tuple[Rows, Tensor]]):
    """Samples (n, ...), dense or sparse, with labels int64 (n,); -1 is unknown."""

    x: Rows
    y: Tensor

    def __post_init__(self) -> None:
        assert len(self.x) == len(self.y), (
            f"{len(self.x)} samples, {len(self.y)} labels"
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: tuple[Tensor, None]) -> tuple[Rows, Tensor]:
        return _rows(self.x, index[0]), self.y[index[0]]

    def part(self, rows: Tensor | slice) -> "LabelledRows":
        """The named rows as a data set of their own."""
        return LabelledRows(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class Domains:
    """What a pair of domains consists of.

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

    A training batch is ``(source_x, source_y, target_x)`` with ``batch_size`` rows of
    each domain: samples (n, ...) or `SparseRows`, labels int64 (n,). Each domain is
    gone through in a random order again and again, so that the smaller one doesn't end
    the epoch; an epoch is ``batches_per_epoch`` batches by definition. Validation and
    test iterate over three loaders, whose numbers are ``dataloader_idx``: 0 the
    labelled validation rows of the source, 1 the labelled test rows of the target, both
    ``(x, y)``, and 2 the unlabelled rows of the target, ``(x,)``. Prediction iterates
    over the target's test rows: ``(row numbers, x)``.

    Target labels are in loader 1 alone, which accuracies are made from and pictures
    are coloured by (`FeatureMap`, `ConfusionMatrixPicture`); training and selection
    never see them.

    Args:
        batch_size: Rows of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the rows.

    Attributes:
        shape: Shape of one sample.
        num_classes: Number of classes; labels are 0 ... num_classes - 1.
        class_names: Their names.
        domain_names: Names of source and target.
        domains: The data, after ``setup``.
    """

    shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...]
    domain_names: tuple[str, str] = ("source", "target")
    domains: Domains

    def __init__(
        self,
        batch_size: int = 32,
        batches_per_epoch: int = 100,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, num_workers, seed)
        at_least("batches_per_epoch", batches_per_epoch, 1)
        self.batches_per_epoch = batches_per_epoch

    @property
    def row_columns(self) -> Mapping[str, Sequence[int | str]]:
        """What a table of predictions says of the target's test rows, by column.

        There is nothing to say where row numbers count in the file or set that is
        tested; a column ``row`` takes the place of these numbers.
        """
        return {}

    @abstractmethod
    def read(self) -> Domains:
        """Reads or makes the data; called once in every process."""

    def load(self) -> None:
        """Keeps what `read` gives."""
        self.domains = self.read()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Converts the pixels of a batch where the model is; labels stay."""
        return tuple(self._scaled(part) for part in batch)

    def _scaled(self, part: Any) -> Any:
        pixels = isinstance(part, Tensor) and part.dtype == torch.uint8
        return self.to_model_scale(part) if pixels else part

    def random_rows(
        self, split: str, n: int, generator: torch.Generator
    ) -> tuple[Rows, Rows]:
        """Rows of both domains drawn at random, as many of one as of the other.

        Args:
            split: ``train``; there is no other split of both.
            n: How many, or as many as the smaller domain has.
            generator: Source of random numbers, on the CPU.

        Returns:
            Source and target samples on the model's scale, on the CPU.
        """
        assert split == "train", split
        self.setup()
        both = (self.domains.source.x, self.domains.target)
        n = min(n, *map(len, both))
        source, target = (
            self._scaled(x[torch.randperm(len(x), generator=generator)[:n]])
            for x in both
        )
        return source, target

    def train_dataloader(self) -> BatchLoader:
        """Batches of both domains, from where the checkpoint ended."""
        sizes = (len(self.domains.source), len(self.domains.target))
        for name, n in zip(self.domain_names, sizes, strict=True):
            self._check_batch_size(n, "rows of each domain", f"'{name}' has")
        return self._training_loader(
            _Both(self.domains),
            lambda epoch, start: PairedRows(
                sizes,
                self.batch_size,
                steps=self.batches_per_epoch,
                seed=self.seed,
                epoch=epoch,
                start=start,
                shuffle=self._shuffles,
                **self._processes,
            ),
        )

    def val_dataloader(self) -> list[BatchLoader]:
        """Source with labels, target with labels, target without; each in order."""
        found = self.domains
        sets = (found.source_val, found.target_test, _Unlabelled(found.target))
        return [self._in_order(one) for one in sets]

    def test_dataloader(self) -> list[BatchLoader]:
        """The same as for validation."""
        return self.val_dataloader()

    def predict_dataloader(self) -> BatchLoader:
        """Row numbers and samples of the target's test rows."""
        return self._in_order(_Numbered(self.domains.target_test.x))


class PairedRows(Sampler[RowPair]):
    """One epoch of rows of both domains, each in its own endless random order.

    A domain is gone through in a new permutation each time, which (seed, domain, pass)
    alone decides; rows that don't fill a batch wait for the next pass. The batches of
    ``world_size`` processes, put end to end by rank, are those of one process with a
    batch ``world_size`` times as large.

    Args:
        sizes: Rows of source and target, each at least one joint batch.
        batch_size: Rows of each domain in the batch of one process.
        steps: Batches of an epoch.
        seed: Seed of the order.
        epoch: Number of the epoch, from 0.
        start: Batches of this epoch that were used already.
        rank: Number of this process.
        world_size: How many processes train together.
        shuffle: False keeps the order of the data in every pass.

    >>> rows = PairedRows((5, 2), 2, steps=3, seed=0, shuffle=False)
    >>> [(source.tolist(), target.tolist()) for source, target in rows]
    [([0, 1], [0, 1]), ([2, 3], [0, 1]), ([0, 1], [0, 1])]
    """

    def __init__(
        self,
        sizes: tuple[int, int],
        batch_size: int,
        *,
        steps: int,
        seed: int,
        epoch: int = 0,
        start: int = 0,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
    ) -> None:
        self.sizes, self.batch_size, self.steps = sizes, batch_size, steps
        self.seed, self.epoch, self.start = seed, epoch, start
        self.rank, self.world_size, self.shuffle = rank, world_size, shuffle

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return self.steps

    def __iter__(self) -> Iterator[RowPair]:
        first = self.epoch * self.steps
        source, target = (self._domain(k, first + self.start) for k in (0, 1))
        for _ in range(self.start, self.steps):
            yield next(source), next(target)

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


def _rows(x: Rows, index: Tensor) -> Rows:
    """Some rows; ``index_select`` is several times as fast on a CPU as brackets."""
    return x.index_select(0, index) if isinstance(x, Tensor) else x[index]


class _Both(Dataset[tuple[Rows, Tensor, Rows]]):
    """Batches of both domains by their row numbers."""

    def __init__(self, domains: Domains) -> None:
        self.source, self.target = domains.source, domains.target

    def __getitem__(self, rows: RowPair) -> tuple[Rows, Tensor, Rows]:
        source, target = rows
        x, y = _rows(self.source.x, source), self.source.y[source]
        return x, y, _rows(self.target, target)


@dataclass(frozen=True)
class _Unlabelled(Dataset[tuple[Rows]]):
    x: Rows

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: tuple[Tensor, None]) -> tuple[Rows]:
        return (self.x[index[0]],)


@dataclass(frozen=True)
class _Numbered(Dataset[tuple[Tensor, Rows]]):
    x: Rows

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: tuple[Tensor, None]) -> tuple[Tensor, Rows]:
        return index[0], self.x[index[0]]
