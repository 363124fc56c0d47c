"""Labelled rows of scikit-learn, or of the user's own file."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import train_test_split
from torch import Tensor
from typing_extensions import override

from datamodules.core.hold_out import check_rest, check_share
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.loader import BatchLoader
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.features.arrays import Labels, check_unknown
from datamodules.readers.features.files import find_features, read_features
from datamodules.readers.features.scaling import (
    Normalisation,
    check_scaling,
    filled,
    fit_scaling,
    precision,
)
from lightning_modules.core.validation import check_at_least, check_seed
from lightning_modules.data_contracts.contracts import DataKind

EMBEDDED = {
    "wine": datasets.load_wine,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "breast_cancer": datasets.load_breast_cancer,
}


class LabelledTable(InMemoryDataModule):
    """Rows (x, y) of float32 (n, d) and int64 (n,), split in three by class.

    Training batches are random rows; validation and test have two loaders, 0 the
    training rows and 1 those held out, so that neighbours can be looked for among rows
    of known class. Scaling takes its statistics from the training rows.

    Args:
        table: One of scikit-learn's ``wine`` (178 rows of 13), ``digits`` (1,797 of
            64), ``iris`` (150 of 4), ``breast_cancer`` (569 of 30), or a file of
            features with labels: .csv, .tsv, .parquet, .mat, .npz, .npy, HDF5,
            svmlight.
        labels: Labels beside a .npy file.
        label_column: Column with the labels in CSV, TSV and Parquet; by default ``y``,
            ``labels``, ``label`` or ``target``.
        normalise: See `fit_scaling`.
        val_share: Share of the rows for validation.
        test_share: Share of the rows for test.
        split_seed: Seed of the split.
        batch_size: Rows in a batch of one process; None takes all training rows.
        **options: Workers and seed of `InMemoryDataModule`.

    Attributes:
        test_rows: Numbers of the test rows in the table, from 0, int64 (n,).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The table is unknown or has no labels, or a share leaves a part
            without a row of each class.

    References:
        https://archive.ics.uci.edu (wine 109, digits 80, iris 53, breast cancer 17).

    >>> wine = LabelledTable("wine")
    >>> wine.real("train").shape, wine.real("test").shape
    (torch.Size([106, 13]), torch.Size([36, 13]))
    """

    kind: ClassVar[DataKind] = "labelled_rows"
    test_rows: Tensor

    def __init__(
        self,
        table: str = "wine",
        labels: str | None = None,
        normalise: Normalisation = "zscore",
        val_share: float = 0.2,
        test_share: float = 0.2,
        split_seed: int = 0,
        batch_size: int | None = None,
        *,
        label_column: str | None = None,
        **options: Any,
    ) -> None:
        check_at_least(2, "data.", batch_size=batch_size)
        check_seed("data.", split_seed=split_seed)
        super().__init__(batch_size or 1, n_predict=64, flip=False, **options)
        self.whole = batch_size is None
        check_share("val_share", val_share, may_be_0=False)
        check_share("test_share", test_share, may_be_0=False)
        check_rest(val_share, test_share, "row")
        self.table, self.labels, self.normalise = table, labels, normalise
        self.label_column = label_column
        self.shares, self.split_seed = (val_share, test_share), split_seed

    @property
    @override
    def title(self) -> str:
        return f"{super().title} {Path(self.table).name}"

    @override
    def find(self) -> None:
        if self.table not in EMBEDDED:
            paths = {"table": Path(self.table).expanduser()}
            labels = {"table": Path(self.labels).expanduser()} if self.labels else {}
            find_features(paths, labels)

    @override
    def read(self) -> Splits:
        x, y = self._rows()
        self.class_names, numbers = _numbered(y)
        self.num_classes, self.shape = len(self.class_names), tuple(x.shape[1:])
        train, val, test = (torch.from_numpy(part) for part in self._split(numbers))
        scale = fit_scaling(self.normalise, x[train])
        scaled, labels = scale(x), torch.from_numpy(numbers)
        assert isinstance(scaled, Tensor)
        rows = LabelledRows(scaled, labels)
        self.test_rows = test
        return rows.part(train), rows.part(val), rows.part(test)

    @override
    def val_dataloader(self) -> list[BatchLoader]:  # type: ignore[override]
        """Training rows, then validation rows, each in order."""
        return [self._in_order(part) for part in (self.train_set, self.val_set)]

    @override
    def test_dataloader(self) -> list[BatchLoader]:  # type: ignore[override]
        """Training rows, then test rows, each in order."""
        return [self._in_order(part) for part in (self.train_set, self.test_set)]

    @override
    def setup(self, stage: str | None = None) -> None:
        """Reads the data, once, for prediction as well."""
        super().setup(None if stage == "predict" else stage)
        if self.whole:
            self.batch_size = len(self.train_set) // self._processes["world_size"]

    @override
    def predict_dataloader(self) -> BatchLoader:
        """Test rows x and their numbers in the table, int64 (n,)."""
        return self._in_order(LabelledRows(self.test_set.x, self.test_rows))

    def _rows(self) -> tuple[Tensor, Labels]:
        dtype = precision(self.normalise)
        if self.table in EMBEDDED:
            x, y = EMBEDDED[self.table](return_X_y=True)
            return torch.from_numpy(x).to(dtype), y.astype(np.int64)
        path = Path(self.table).expanduser()
        beside = Path(self.labels).expanduser() if self.labels else None
        options: Any = {"dtype": dtype, "label_column": self.label_column}
        file = read_features(path, labels=beside, key="table", **options)
        if file.y is None:
            raise ValueError(
                f"data.table: {self.table} has no labels; add them to the file, or "
                "name them in data.labels or data.label_column."
            )
        x, y = filled(file).x, file.y
        assert isinstance(x, Tensor)
        check_scaling(self.normalise, replace(file, x=x))
        check_unknown(file.name, np.unique(y).tolist())
        return x, y

    def _split(self, y: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        val, test = self.shares
        rows = np.arange(len(y))
        options = {"random_state": self.split_seed}
        try:
            rest, last = train_test_split(rows, test_size=test, stratify=y, **options)
            first, middle = train_test_split(
                rest, test_size=val / (1 - test), stratify=y[rest], **options
            )
        except ValueError as error:
            raise ValueError(
                f"data.table: {self.table} can't be split so that every class is in "
                f"every part ({error}); change data.val_share and data.test_share, or "
                "leave out small classes."
            ) from None
        return [first, middle, last]


def _numbered(y: Labels) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the classes, and labels 0 ... k - 1."""
    names, numbers = np.unique(y, return_inverse=True)
    return tuple(str(name) for name in names), numbers.astype(np.int64)
