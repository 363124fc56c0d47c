"""Two domains whose features lie in files of the user's own."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.adaptation.class_labels import (
    check_all_present,
    distinct_labels,
    hold_out_of_classes,
    with_classes,
)
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.features.arrays import Written
from datamodules.readers.features.files import FeatureFile, find_features, read_together
from datamodules.readers.features.scaling import (
    DENSE,
    NORMALISATIONS,
    SHARED,
    UNITLESS,
    Normalisation,
    check_alike,
    check_scaling,
    default_scaling,
    filled,
    fit_scaling,
    precision,
    root_mean_square,
)
from datamodules.readers.features.svmlight import ZeroBased
from lightning_modules.core.files import readable
from lightning_modules.core.validation import check_at_least, check_choice
from lightning_modules.data_contracts.sparse_rows import Rows, join

PARTS = ("source", "target", "source_val", "target_test")
FIFTH = 5
FAR = 30  # from 1, for the root mean square of features
FEW = 10  # rows whose mean and deviation say little

SplitRows = tuple[LabelledRows, LabelledRows]
"""Rows of a domain that are trained on, and those that are evaluated on."""


class DomainFeatures(TwoDomains):
    """Two domains of features in files: x is float32 (n, d), or `SparseRows`.

    `read_together` says what files can be read. Labels may be any whole numbers, or
    names: class 0, 1, ... are the sorted labels of the source, which ``class_names``
    keeps, and the target can't have others. Those in ``target`` are used only for
    accuracy and plots, and only without ``target_test``; where there are none, they
    are -1, unknown. So is the label -1 of a target row, unless the source has it as a
    class, as of -1 and 1; beside 0 ... k - 1 it may mean unknown there too, and is
    refused.

    Args:
        source: File with features and labels.
        target: File with features, which are trained on without labels.
        source_val: File with labelled source rows for validation.
        target_test: File with the target rows that accuracy is measured on. Without it
            these are the rows of ``target``, all of which are trained on without labels
            (the transductive protocol of most papers).
        n_val: Without ``source_val``, how many rows of ``source`` are held out for
            validation, in proportion to the classes; the same ones for every ``seed``,
            so that runs can be compared; a fifth by default, if a batch is left. With 0
            all are trained on and serve for validation too, which then says nothing
            about new rows.
        normalise: ``none``, ``l2``, ``binary``, ``log1p``, ``tfidf``, ``rms``,
            ``zscore`` or ``l1-zscore``, see `fit_scaling`; statistics are those of the
            rows that are trained on, of each domain by itself, and for ``tfidf`` of
            both. By default ``zscore``, or ``rms`` for sparse rows, so that units don't
            matter.
        dense: Fill sparse rows up with their zeros.
        zero_based: Whether columns in svmlight files count from 0, see `read_together`.
        n_features: Width of rows in svmlight files; by default what is found.
        labels: ``.npy`` files with the labels of some of the files, by their keys:
            ``source``, ``target``, ``source_val``, ``target_test``.
        label_column: Column with the labels in CSV, TSV and Parquet; by default ``y``,
            ``labels``, ``label`` or ``target``.
        **options: Batches of `TwoDomains`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged or holds something else, the files don't belong
            together, or an argument is out of its range.
    """

    written_labels: ClassVar[Written | None] = None
    """What is written for each class, sorted; None if the source has to tell."""
    file_key: ClassVar[str | None] = None
    """The key of the command line that says where files are, if each has none."""
    exact: ClassVar[tuple[Normalisation, ...]] = DENSE
    """Normalisations whose statistics are those of float64."""

    def __init__(
        self,
        source: str,
        target: str,
        source_val: str | None = None,
        target_test: str | None = None,
        n_val: int | None = None,
        normalise: Normalisation | None = None,
        dense: bool = False,
        zero_based: ZeroBased = "auto",
        n_features: int | None = None,
        labels: dict[str, str] | None = None,
        *,
        label_column: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(0, "data.", n_val=n_val)
        if normalise is not None:
            check_choice("data.normalise", normalise, NORMALISATIONS)
        check_at_least(1, "data.", n_features=n_features)
        if n_val and source_val is not None:
            raise ValueError(
                f"data.n_val is {n_val}, but data.source_val is a file for validation "
                "too; leave out one of the two."
            )
        files = (source, target, source_val, target_test)
        self.paths = _expanded(dict(zip(PARTS, files, strict=True)))
        self.label_paths = _expanded(labels or {})
        for key in self.label_paths:
            check_choice("data.labels", key, tuple(self.paths))
        one, other = (readable(self.paths[key].stem) for key in PARTS[:2])
        self.domain_names = (one, other) if one != other else ("source", "target")
        self.n_val, self.normalise, self.dense = n_val, normalise, dense
        self.zero_based, self.n_features = zero_based, n_features
        self.label_column = label_column

    @override
    def find(self) -> None:
        label_paths = {f"labels.{key}": p for key, p in self.label_paths.items()}
        find_features(self.paths, label_paths)

    @override
    def read(self) -> Domains:
        """Files, classes, parts and scales, in this order."""
        files = self._files()
        written = self.written_labels or distinct_labels(files["source"])
        if self.written_labels is None:
            self.class_names = tuple(map(str, written))
            self.num_classes = len(written)
        self.shape = (files["source"].x.shape[1],)
        rows = {
            part: with_classes(file, written, may_lack=part.startswith("target"))
            for part, file in files.items()
        }
        (source, source_val), (target, target_test) = self.split(rows)
        check_all_present(files["source"].name, source.y, self.class_names)
        both = join(source.x, target.x) if self._how in SHARED else None
        source, source_val = self._on_scale(source, source_val, both)
        if self._how not in UNITLESS:
            self._warn_of_unit(root_mean_square(source.x))
        target, target_test = self._on_scale(target, target_test, both)
        return Domains(source, source_val, target.x, target_test)

    def split(self, rows: Mapping[str, LabelledRows]) -> tuple[SplitRows, SplitRows]:
        """Rows of both domains that are trained on, and that are evaluated on."""
        source, target = rows["source"], rows["target"]
        val = rows.get("source_val")
        spare = max(0, len(source) - self.batch_size)
        n_val = min(len(source) // FIFTH, spare) if self.n_val is None else self.n_val
        return (
            hold_out_of_classes(source, n_val) if val is None else (source, val),
            (target, rows.get("target_test", target)),
        )

    def _files(self) -> dict[str, FeatureFile]:
        """What is in the files, checked against each other."""
        files = read_together(
            self.paths,
            self.label_paths,
            self.zero_based,
            self.n_features,
            self.file_key,
            precision(self.normalise or "zscore", self.exact),
            self.label_column,
        )
        if self.dense:
            files = {part: filled(file) for part, file in files.items()}
        if "target_test" in files:
            files["target"] = replace(files["target"], y=None)
        check_alike(files, self.n_features)
        self._how = self.normalise or default_scaling(files["source"].x)
        for file in files.values():
            check_scaling(self._how, file)
        return files

    def _on_scale(
        self, train: LabelledRows, other: LabelledRows, every: Rows | None
    ) -> SplitRows:
        scale = fit_scaling(self._how, train.x if every is None else every)
        if self._how in DENSE and len(train) < FEW:
            self._warn_of_few(len(train))
        scaled = LabelledRows(scale(train.x), train.y)
        if other is train:
            return scaled, scaled
        return scaled, LabelledRows(scale(other.x), other.y)

    def _warn_of_unit(self, size: float) -> None:
        if self._is_first_process and not 1 / FAR < size < FAR:
            warnings.warn(
                f"data.normalise: {self._how} leaves features with a root mean square "
                f"of {size:.2g}, on which networks learn badly at usual rates; leave "
                "it out, so that units don't matter.",
                stacklevel=2,
            )

    def _warn_of_few(self, n: int) -> None:
        if self._is_first_process:
            warnings.warn(
                f"data.normalise: {self._how} takes mean and deviation of each "
                f"column from {n} row(s) of a domain, too few to be meaningful (one "
                "row becomes zeros); give more rows, or set another normalisation.",
                stacklevel=2,
            )


def _expanded(named: Mapping[str, str | None]) -> dict[str, Path]:
    return {key: Path(p).expanduser() for key, p in named.items() if p is not None}
