"""Any two domains whose features lie in files."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datamodules.arguments import at_least
from datamodules.feature_files import FeatureFile, read_features
from datamodules.sampler import seeded_generator
from datamodules.two_domains import Domains, LabelledRows, TwoDomains
from lightning_modules.sparse import Rows, SparseRows

Normalise = Literal["none", "l1-zscore", "zscore", "l2", "binary", "log1p"]
_BY_COLUMN = ("l1-zscore", "zscore")


class FeatureDomains(TwoDomains):
    """Two domains of features: x is float32 (n, d) or `SparseRows`.

    Args:
        normalise: What is done to the features. ``l1-zscore`` divides each row by the
            sum of its absolute values and standardises each column, the custom for
            SURF histograms; ``zscore`` does the second alone; ``l2`` makes rows of
            length 1; ``binary`` keeps whether a feature is there; ``log1p`` takes
            log(1 + x). Columns are standardised in each domain by itself, with mean
            and deviation of its training rows.
        batch_size: Rows of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the rows.
    """

    def __init__(
        self,
        normalise: Normalise = "none",
        batch_size: int = 32,
        batches_per_epoch: int = 100,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, batches_per_epoch, num_workers, seed)
        self.normalise: Normalise = normalise

    def join(
        self,
        source: tuple[FeatureFile, FeatureFile | None],
        target: tuple[FeatureFile, FeatureFile | None],
        n_val: int = 0,
    ) -> Domains:
        """Labels counted from 0, features normalised, checked against each other.

        Args:
            source: Training rows, and validation rows if they are in a file.
            target: Training rows, and test rows if they are in a file; else accuracy
                is measured on the training rows.
            n_val: Source rows held out for validation if there is no file of them.

        Raises:
            ValueError: Source labels are missing, widths differ, or the target has a
                class that the source lacks.
        """
        files = [file for file in (*source, *target) if file is not None]
        _same_width(files)
        classes = _classes(source[0])
        self.num_classes = len(classes)
        self.class_names = tuple(str(value) for value in classes)
        self.shape = (files[0].x.shape[1],)
        (train, held_out), (seen, tested) = (
            self._normalised(file.x, None if other is None else other.x)
            for file, other in (source, target)
        )
        labelled = LabelledRows(train, _numbered(source[0], classes))
        if source[1] is not None:
            assert held_out is not None
            held = LabelledRows(held_out, _numbered(source[1], classes))
            trained = labelled
        else:
            trained, held = hold_out(labelled, n_val)
        of_test = target[0] if target[1] is None else target[1]
        rows = seen if tested is None else tested
        return Domains(
            trained, held, seen, LabelledRows(rows, _numbered(of_test, classes))
        )

    def _normalised(self, train: Rows, other: Rows | None) -> tuple[Rows, Rows | None]:
        if self.normalise in _BY_COLUMN:
            if isinstance(train, SparseRows):
                raise ValueError(
                    f"data.normalise '{self.normalise}' would fill sparse rows up: use "
                    "'none', 'l2', 'binary' or 'log1p'."
                )
            rows = _by_row(train, self.normalise)
            assert isinstance(rows, Tensor)
            mean, std = rows.mean(0), rows.std(0, correction=0)
            scale = torch.where(std > 0, std, 1)
            if other is not None:
                other = (_by_row(other, self.normalise) - mean) / scale  # type: ignore[operator]
            return (rows - mean) / scale, other
        done = _by_row(train, self.normalise)
        return done, None if other is None else _by_row(other, self.normalise)


class DomainFeatures(FeatureDomains):
    """Two domains of features in files of any usual form, see `read_features`.

    Args:
        source: File of the labelled source.
        target: File of the target; labels in it are used for accuracy alone.
        source_val: File of labelled source rows for validation; without one, ``n_val``
            rows of ``source`` are held out, evenly over the classes.
        target_test: File of target rows that accuracy is measured on; without one,
            these are the rows of ``target`` themselves (transductive).
        n_val: Source rows held out; 0 validates on the training rows.
        normalise: See `FeatureDomains`.
        n_features: Number of columns of svmlight files; None takes the largest.
        batch_size: Rows of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the rows and of those held out.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, or the files don't belong together.
    """

    def __init__(
        self,
        source: str,
        target: str,
        source_val: str | None = None,
        target_test: str | None = None,
        n_val: int = 0,
        normalise: Normalise = "none",
        n_features: int | None = None,
        batch_size: int = 32,
        batches_per_epoch: int = 100,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(normalise, batch_size, batches_per_epoch, num_workers, seed)
        at_least("n_val", n_val, 0)
        self.files = (source, source_val), (target, target_test)
        self.n_val, self.n_features = n_val, n_features

    def read(self) -> Domains:
        """Reads the two to four files."""
        (source, held_out), (target, tested) = (
            (
                read_features(one, self.n_features),
                None if other is None else read_features(other, self.n_features),
            )
            for one, other in self.files
        )
        self.domain_names = (source.path.stem, target.path.stem)
        return self.join((source, held_out), (target, tested), self.n_val)


def hold_out(rows: LabelledRows, n: int) -> tuple[LabelledRows, LabelledRows]:
    """The rows without n of them, and those, with the classes' shares kept.

    With 0 all rows serve for both. Which rows they are is the same in every run.

    Raises:
        ValueError: If a class would have no row left to train on.
    """
    if not n:
        return rows, rows
    shuffled = torch.randperm(len(rows), generator=seeded_generator("held-out", 0))
    order = shuffled[rows.y[shuffled].argsort(stable=True)]
    # rows at even distances in an order by class are an even share of every class
    chosen = torch.zeros(len(rows), dtype=torch.bool)
    if n < len(rows):
        places = (torch.arange(n, dtype=torch.float64) + 0.5) * len(rows) / n
        chosen[order[places.long()]] = True
    kept = rows.part((~chosen).nonzero().squeeze(1))
    if n >= len(rows) or len(kept.y.unique()) < len(rows.y.unique()):
        raise ValueError(
            f"data.n_val is {n} of {len(rows)} source rows, which leaves a class "
            "without a row to train on: make it smaller."
        )
    return kept, rows.part(chosen.nonzero().squeeze(1))


def _by_row(rows: Rows, how: Normalise) -> Rows:
    values = rows.values if isinstance(rows, SparseRows) else rows
    if how == "binary":
        changed = (values != 0).float()
    elif how == "log1p":
        if (values < 0).any():
            raise ValueError("data.normalise 'log1p' needs features of at least 0.")
        changed = values.log1p()
    elif how in ("l2", "l1-zscore"):
        changed = values / _sizes(rows, 2 if how == "l2" else 1)
    else:
        changed = values
    if isinstance(rows, SparseRows):
        return SparseRows(rows.starts, rows.columns, changed, rows.width)
    return changed


def _sizes(rows: Rows, order: int) -> Tensor:
    """Norm of the row of each value, in the shape of the values; 1 for empty rows."""
    if isinstance(rows, Tensor):
        norms = torch.linalg.vector_norm(rows, order, dim=1, keepdim=True)
        return torch.where(norms > 0, norms, 1)
    counts = rows.starts.diff()
    row = torch.arange(len(rows)).repeat_interleave(counts)
    powers = rows.values.abs() ** order
    sums = torch.zeros(len(rows)).index_add_(0, row, powers) ** (1 / order)
    return torch.where(sums > 0, sums, 1)[row]


def _same_width(files: list[FeatureFile]) -> None:
    first = files[0]
    for other in files[1:]:
        if isinstance(first.x, Tensor) != isinstance(other.x, Tensor):
            raise ValueError(
                f"'{first.path}' and '{other.path}' are not both dense or both sparse: "
                "save them in one form."
            )
        if other.x.shape[1] != first.x.shape[1]:
            raise ValueError(
                f"'{first.path}' has {first.x.shape[1]} features and '{other.path}' "
                f"has {other.x.shape[1]}: both domains need the same ones (for "
                "svmlight files give data.n_features)."
            )


def _classes(file: FeatureFile) -> NDArray[np.int64]:
    if file.y is None:
        raise ValueError(
            f"'{file.path}' has no labels, and the source needs them: add them as "
            "'labels'."
        )
    found = np.unique(file.y)
    if len(found) < 2:
        raise ValueError(f"'{file.path}' has a single class: there is nothing to tell.")
    return found


def _numbered(file: FeatureFile, classes: NDArray[np.int64]) -> Tensor:
    """Labels 0 ... k - 1 in the order of the source's; -1 where there are none."""
    if file.y is None:
        return torch.full((len(file.x),), -1)
    places = np.searchsorted(classes, file.y).clip(0, len(classes) - 1)
    strange = sorted(set(file.y[classes[places] != file.y].tolist()))
    if strange:
        raise ValueError(
            f"'{file.path}' has labels {', '.join(map(str, strange))}, but the source "
            f"has only {', '.join(map(str, classes))}: make the classes agree."
        )
    return torch.from_numpy(places.astype(np.int64))
