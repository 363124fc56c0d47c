"""Feature files: a row of numbers for each sample, and its label."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from datamodules.readers.features.arrays import (
    Found,
    Labels,
    OtherFormError,
    as_labels,
    as_rows,
)
from datamodules.readers.features.columns import ENDINGS, in_order, read_columns
from datamodules.readers.features.formats import FEATURES, LABELS, READERS, first_of
from datamodules.readers.features.svmlight import TEXT, ZeroBased, aligned
from lightning_modules.core.files import check_file
from lightning_modules.core.limits import TooLargeError
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows

Paths = Mapping[str, Path]
"""Files by the key of the command line that they are given with."""


@dataclass(frozen=True)
class FeatureFile:
    """What is in a file.

    Args:
        x: Features, float32 (n, d) or float64, dense or sparse.
        y: Labels (n,) as they are written, numbers or names, or None.
        path: The file.
        key: Key of the command line that it was given with.
        columns: Names of the features, where the file has them.
    """

    x: Rows
    y: Labels | None
    path: Path
    key: str = "path"
    columns: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What sentences about the file begin with."""
        return f"data.{self.key}: {self.path}"


def read_features(
    path: Path | str,
    n_features: int | None = None,
    labels: Path | None = None,
    zero_based: ZeroBased = "auto",
    key: str = "path",
    dtype: torch.dtype = torch.float32,
    label_column: str | None = None,
) -> FeatureFile:
    r"""Reads one file; `read_together` explains the arguments.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "reviews.svmlight")
    ...     _ = path.write_text("+1 1:2 3:1\n-1 2:5\n")
    ...     file = read_features(path)
    >>> file.x.to_dense(), file.y
    (tensor([[2., 0., 1.],
            [0., 5., 0.]]), array([ 1, -1]))
    """
    paths = {key: Path(path)}
    beside = {key: labels} if labels else {}
    find_features(paths, beside)
    files = read_together(
        paths, beside, zero_based, n_features, dtype=dtype, label_column=label_column
    )
    return files[key]


def find_features(paths: Paths, labels: Paths | None = None) -> None:
    """Checks that files are there and end in something that can be read.

    Raises:
        FileNotFoundError: One is not there.
        ValueError: One has another ending.
    """
    readable = ((paths, (*READERS, *ENDINGS)), (labels or {}, (".npy",)))
    for files, endings in readable:
        for key, path in files.items():
            if path.suffix.lower() not in endings:
                raise ValueError(
                    f"data.{key}: {path} has an unknown ending; use a file with one of "
                    f"{', '.join(endings)}."
                )
            if not path.is_file():
                raise FileNotFoundError(
                    f"data.{key}: {path} does not exist; name another file."
                )


def read_together(
    paths: Paths,
    labels: Paths | None = None,
    zero_based: ZeroBased = "auto",
    n_features: int | None = None,
    key: str | None = None,
    dtype: torch.dtype = torch.float32,
    label_column: str | None = None,
) -> dict[str, FeatureFile]:
    """Reads files that belong together: a column means the same in all of them.

    ``.mat`` (of MATLAB 7.3 too), ``.npz``, ``.h5`` and ``.hdf5`` have features under
    the first name of ``x``, ``features``, ``fts``, ``feas``, ``data`` that is there,
    and labels, whole numbers or names, under ``y``, ``labels``, ``label`` or
    ``target``, in capitals or not. ``.npy`` holds features, and ``<stem>_labels.npy``
    beside it their labels. ``.svmlight``, ``.libsvm`` and ``.svm`` are text with lines
    ``label column:value ...``; they stay sparse, as sparse matrices of MATLAB do and
    those of SciPy's ``save_npz``, which have no labels. ``.csv``, ``.tsv`` and
    ``.parquet`` have a named column for each feature and, see `read_columns`, one for
    the labels; a feature is found by the name of its column, in whatever order.

    Args:
        paths: Files by their keys.
        labels: ``.npy`` files with labels of some of them, in place of their own.
        zero_based: Whether columns in text count from 0. ``auto``: they count from 1 in
            all of the files if none of them has a column 0. Say it if you know it,
            since column 0 of few rows may just be empty; you are asked to where a file
            without column 0 goes beyond the last column of those with one.
        n_features: Width of rows in text; by default that of the other files, and if
            all are text, their largest column.
        key: The key that files were found by, if that isn't theirs.
        dtype: float32, or float64 where more than float32 can tell apart is needed.
        label_column: Column with the labels in tables, if it has another name.

    Returns:
        What is in the files, by their keys.

    Raises:
        ValueError: A file is damaged, empty or without features, features are not
            finite numbers, or labels are not whole numbers or names, one for each row.
    """
    files = {
        part: _read_one(
            key or part, path, (labels or {}).get(part), dtype, label_column
        )
        for part, path in paths.items()
    }
    if label_column and not any(file.columns for file in files.values()):
        raise ValueError(
            f"data.label_column is {label_column}, but no file is a table with named "
            f"columns ({', '.join(ENDINGS)}); leave it out."
        )
    files = _same_columns(files)
    text = [part for part, path in paths.items() if path.suffix.lower() in TEXT]
    rows = {part: cast(SparseRows, files[part].x) for part in text}
    others = [file.x.shape[1] for part, file in files.items() if part not in rows]
    if rows:
        names = {part: file.name for part, file in files.items()}
        rows = aligned(rows, names, others, zero_based, n_features)
    return {
        part: replace(file, x=rows.get(part, file.x)) for part, file in files.items()
    }


def _same_columns(files: dict[str, FeatureFile]) -> dict[str, FeatureFile]:
    """Files whose features are in the order of those of the first with names."""
    named = [file for file in files.values() if file.columns]
    return {
        part: _in_order_of(named[0], file) if file.columns else file
        for part, file in files.items()
    }


def _in_order_of(first: FeatureFile, file: FeatureFile) -> FeatureFile:
    order = in_order(file.name, file.columns, first.columns, first.path)
    assert isinstance(file.x, torch.Tensor)
    return replace(file, x=file.x[:, order], columns=first.columns)


def _read_one(
    key: str,
    path: Path,
    labels: Path | None,
    dtype: torch.dtype,
    label_column: str | None,
) -> FeatureFile:
    name = f"data.{key}: {path}"
    if path.suffix.lower() in ENDINGS:
        found = read_columns(path, key, label_column)
        rows = as_rows(name, found.x, dtype, found.names)
        y = found.y
        if labels:
            y = _labels_beside(f"labels.{key}", labels, len(rows))
        return FeatureFile(rows, y, path, key, found.names)
    names, arrays = _opened(name, path)
    x_key, y_key = first_of(FEATURES, names), first_of(LABELS, names)
    if x_key is None:
        raise ValueError(
            f"{name} holds {', '.join(names) or 'nothing'}, and no features under "
            f"{', '.join(FEATURES)}; rename them."
        )
    x = as_rows(f"{name}: {x_key}", arrays[x_key], dtype)
    beside = path.with_name(f"{path.stem}_labels.npy")
    y = None
    if labels:
        y = _labels_beside(f"labels.{key}", labels, len(x))
    elif path.suffix.lower() == ".npy" and beside.exists():
        y = _labels_beside(key, beside, len(x))
    elif y_key:
        y = as_labels(f"{name}: {y_key}", arrays[y_key], len(x))
    return FeatureFile(x, y, path, key)


def _labels_beside(key: str, path: Path, n: int) -> Labels:
    """Labels of n rows in a .npy file of their own."""
    name = f"data.{key}: {path}"
    return as_labels(name, _opened(name, path)[1]["x"], n)


def _opened(name: str, path: Path) -> Found:
    check_file(path, name)
    try:
        return READERS[path.suffix.lower()](path)
    except (OtherFormError, TooLargeError) as error:
        raise ValueError(f"{name} {error}") from error
    except Exception as error:  # four libraries, each with errors of its own
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(
            f"{name} is cut off, damaged or of another format ({why}); replace it."
        ) from error
