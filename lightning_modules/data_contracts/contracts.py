"""Contract between data modules and methods: kinds of data, batches, protocols.

This file is the whole contract. A data module declares the ``kind`` of data that it
gives, a method the kinds that it ``takes``, and `check_kind` refuses a pair that does
not match. A data module without a ``kind`` (a user's own `LightningDataModule`, plain
loaders) is not checked: its batches must be those of the table in
docs/architecture.md.

Protocols state what callbacks and methods require of a data module or of a method
beyond its batches; ``isinstance`` checks whether an object has all of it.
"""

from collections.abc import Mapping, Sequence, Sized
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    Protocol,
    runtime_checkable,
)

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.data_contracts.user_items import UserItems

RowsT = TypeVar("RowsT", bound=Rows, covariant=True, default=Rows)
DataKind = Literal["samples", "labelled_rows", "two_domains", "interactions"]

DESCRIPTIONS: Mapping[DataKind, tuple[str, str]] = {
    "samples": ("one set of samples", "Digits, PointClouds or ImageFolder"),
    "labelled_rows": ("labelled rows with reference rows", "LabelledTable"),
    "two_domains": ("a source and a target domain", "DigitsShift or DomainFeatures"),
    "interactions": (
        "interactions of users and items",
        "Interactions, SplitFiles or PlantedInteractions",
    ),
}
"""Each kind in words, and data modules that give it."""


# Batches ------------------------------------------------------------------------------


class LabelledBatch(NamedTuple, Generic[RowsT]):
    """Samples (n, ...) and their labels, int64 (n,)."""

    x: RowsT
    y: Tensor


class TwoDomainBatch(NamedTuple):
    """Source samples (n, ...), their labels int64 (n,), target samples (m, ...)."""

    source: Rows
    labels: Tensor
    target: Rows


class UnlabelledBatch(NamedTuple):
    """Samples (n, ...) without labels."""

    x: Rows


class NumberedBatch(NamedTuple):
    """Row numbers in the data, int64 (n,), and the samples (n, ...) of these rows."""

    rows: Tensor
    x: Rows


class InteractionBatch(NamedTuple):
    """Users and the items that they interacted with, int64 (n,) each."""

    users: Tensor
    items: Tensor


# Data modules -------------------------------------------------------------------------


@runtime_checkable
class KnownData(Protocol):
    """Data of a declared kind."""

    kind: ClassVar[DataKind]


@runtime_checkable
class Summarised(Protocol):
    """Data that says what it is, and how many rows it found and uses."""

    @property
    def title(self) -> str:
        """The class and what tells its data from others'."""

    def summary(self) -> str:
        """A line with the class, the place, and the numbers of rows."""


@runtime_checkable
class NamedData(Protocol):
    """Data that has a name of its own, for the names of runs."""

    @property
    def short_name(self) -> str:
        """Its file, folder, or domains."""


@runtime_checkable
class SampleShape(Protocol):
    """Data of a known sample shape."""

    shape: tuple[int, ...]


@runtime_checkable
class CountedClasses(Protocol):
    """Data with labels 0 ... num_classes - 1; None where that is not known."""

    num_classes: int | None


@runtime_checkable
class SampleSource(Protocol):
    """Source of real samples, (n, *shape) on the model's scale, on the CPU."""

    def real(self, split: Any, n: int | None = None) -> Tensor:
        """The first n samples of a split, in order."""


@runtime_checkable
class RandomRows(Protocol):
    """Source of random rows of a split, in the form of a training batch."""

    def random_rows(self, split: Any, n: int, generator: torch.Generator) -> Any:
        """A batch of n different rows, on the model's scale, on the CPU."""


@runtime_checkable
class ReferenceRows(Protocol):
    """Labelled rows that nearest neighbours are searched among, after ``setup``."""

    train_set: Sized


@runtime_checkable
class KnownModes(Protocol):
    """Samples around known modes (k, d); None where the data has no modes."""

    modes: Tensor | None
    mode_std: float


@runtime_checkable
class TwoDomainData(Protocol):
    """Labelled source and unlabelled target; labels are 0 ... num_classes - 1."""

    domain_names: tuple[str, str]
    batch_size: int

    @property
    def row_columns(self) -> Mapping[str, Sequence[int | str]]:
        """Columns that a table of predictions adds for the target's test rows."""


@runtime_checkable
class KnownClasses(Protocol):
    """Data whose classes are known, because it has been read."""

    num_classes: int
    class_names: tuple[str, ...]


@runtime_checkable
class InteractionSource(Protocol):
    """Interactions of users and items in three splits, before they are read."""

    seen_at: Mapping[str, str]
    predict_items: str


class ReadInteractions(InteractionSource, Protocol):
    """Interactions after ``setup``: sizes, splits, catalogue and fingerprints."""

    n_users: int
    n_items: int
    catalogue: Any
    fingerprints: Mapping[str, str]
    ranks_cold_items: bool

    def interactions(self, split: str) -> UserItems:
        """Interactions of ``train``, ``val``, ``test``, ``seen`` or ``all``."""


# Networks and methods -----------------------------------------------------------------


@runtime_checkable
class HasLatents(Protocol):
    """A generator that says how wide its latents (n, latent_dim) are."""

    latent_dim: int


@runtime_checkable
class ComparesSamples(Protocol):
    """A method whose ``critic`` compares two sets of samples, named by ``sides``."""

    sides: ClassVar[tuple[str, str]]

    def get_submodule(self, target: str) -> nn.Module:
        """Its ``critic``: from Python 3.12 on ``isinstance`` sees no network."""

    def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:
        """Two sets (n, ...), the one with the larger scores first."""


@runtime_checkable
class DrawsSamples(Protocol):
    """A method with a network ``generator`` that samples, and logs metrics."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Samples (n, ...) on the device; the same seed gives the same samples."""

    def log_evaluation(self, values: Mapping[str, Tensor | float]) -> None:
        """Log values of a validation or test; called on all ranks."""


@runtime_checkable
class HasFeatures(Protocol):
    """A method that maps samples to features (n, d)."""

    def features(self, x: Rows) -> Tensor:
        """Features of samples (n, ...)."""


@runtime_checkable
class HasPoints(Protocol):
    """A method with a point, or a vector of factors, for each user and item."""

    def points(self) -> dict[str, Tensor]:
        """``users`` (n_users, d), ``items`` (n_items, d), and other tables."""


@runtime_checkable
class RanksItems(Protocol):
    """The evaluation of a method that ranks items for users.

    Attributes:
        score_name: Name of the values of ``shown``: distance or score.
        ranking: The `RankingMetrics`, whose ``ks`` are the cut-offs.
    """

    score_name: ClassVar[str]
    ranking: Any

    def shown(self, scores: Tensor) -> Tensor:
        """Scores in the unit of tables of recommendations."""

    def rank(
        self,
        users: Tensor,
        k: int,
        seen: UserItems | None = None,
        hidden: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The k best items of users int64 (n,) without the seen ones, and scores."""

    def hidden(self, stage: str) -> Tensor | None:
        """Items that nobody is offered, bool (n_items,); None hides none."""


@runtime_checkable
class HasAverage(Protocol):
    """A method with a network whose weights may be averaged."""

    @property
    def averaged(self) -> nn.Module | None:
        """The network, or None."""


@runtime_checkable
class ClipsWeights(Protocol):
    """A method that clips its critic's weights to [-clip, clip]."""

    clip: float

    def clipped_parameters(self) -> list[nn.Parameter]:
        """The weights that are clipped."""


@runtime_checkable
class Monitored(Protocol):
    """A method with a metric to select checkpoints by, and its direction."""

    monitor: ClassVar[str]
    mode: ClassVar[str]


# The check ----------------------------------------------------------------------------


def data_of(trainer: pl.Trainer | None) -> Any:
    """The trainer's data module, or None."""
    # The attribute exists only once a run has begun.
    return getattr(trainer, "datamodule", None)


def check_kind(method: type, takes: Sequence[DataKind], data: object) -> None:
    """Refuse data of a kind that a method does not take.

    Args:
        method: The class of the method.
        takes: The kinds that it takes.
        data: A data module; one without a ``kind`` is not refused.

    Raises:
        ValueError: Naming the method, the data, and what to set.

    >>> class Shop:
    ...     kind = "interactions"
    >>> class WGAN: ...
    >>> check_kind(WGAN, ["samples"], Shop())
    Traceback (most recent call last):
    ...
    ValueError: WGAN takes one set of samples, but Shop gives interactions of users ...
    """
    if not isinstance(data, KnownData) or data.kind in takes:
        return
    accepted = " or ".join(DESCRIPTIONS[kind][0] for kind in takes)
    examples = ", or ".join(DESCRIPTIONS[kind][1] for kind in takes)
    raise ValueError(
        f"{method.__name__} takes {accepted}, but {type(data).__name__} gives "
        f"{DESCRIPTIONS[data.kind][0]}: set data to {examples}, or choose a model "
        "for this data."
    )
