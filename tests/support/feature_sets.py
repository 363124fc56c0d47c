"""Small feature files in every format, and what two domains made of them look like."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.io import savemat
from sklearn.datasets import dump_svmlight_file
from torch import Tensor

from datamodules.adaptation.base import TwoDomains
from datamodules.adaptation.domain_features import DomainFeatures
from lightning_modules.data_contracts.sparse_rows import SparseRows

DENSE = (".mat", ".npz", ".npy", ".h5", ".hdf5")
TEXT = (".svmlight", ".libsvm", ".svm")


def counts(n: int, d: int, seed: int = 0, share: float = 0.5) -> np.ndarray:
    """Counts (n, d), some of them 0, with entries in the first and the last column."""
    draw = np.random.default_rng(seed)
    x = draw.integers(1, 9, (n, d)) * (draw.random((n, d)) < share)
    x[0, 0], x[-1, -1] = 3, 5
    return x


def labels(n: int, written: tuple[int, ...] = (-1, 1), seed: int = 0) -> np.ndarray:
    """Labels in random order, each as often as the others."""
    return np.random.default_rng(seed).permutation(np.resize(written, n))


def write(
    path: Path, x: Any, y: Any = None, names: tuple[str, str] = ("fts", "labels")
) -> Path:
    """A file in the format of its ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {names[0]: x} if y is None else dict(zip(names, (x, y), strict=True))
    if path.suffix == ".mat":
        savemat(path, arrays)
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".npy":
        np.save(path, x)
        if y is not None:
            np.save(path.with_name(f"{path.stem}_labels.npy"), y)
    elif path.suffix in TEXT:
        y = np.zeros(len(x)) if y is None else y
        dump_svmlight_file(x, y, str(path), zero_based=True)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return path


def write_matlab_7_3(path: Path, x: Any, y: np.ndarray) -> Path:
    """HDF5 behind 512 bytes of header, transposed, sparse matrices as groups."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["labels"] = y.reshape(1, -1).astype(float)
        if not sparse.issparse(x):
            file["fts"] = x.T.astype(float)
            return path
        entries: Any = x
        columns = entries.tocsc()
        group = file.create_group("fts")
        group.attrs["MATLAB_sparse"] = columns.shape[0]
        group["jc"] = columns.indptr.astype(np.uint64)
        if columns.nnz:
            group["data"] = columns.data.astype(float)
            group["ir"] = columns.indices.astype(np.uint64)
    return path


def filled(x: Any) -> Tensor:
    """Rows with their zeros."""
    if isinstance(x, SparseRows):
        return x.to_dense()
    assert isinstance(x, Tensor)
    return x


def seen_in_training(data: TwoDomains) -> list[list[Tensor]]:
    """All that a method gets of the target, and of the source: batches and loader 2."""
    data.setup("fit")
    batches = [[filled(part) for part in batch] for batch in data.train_dataloader()]
    return batches + [[filled(x)] for (x,) in data.val_dataloader()[2]]


def measured(data: TwoDomains) -> Tensor:
    """Labels of the target that accuracy is made from."""
    return torch.cat([y for _, y in data.val_dataloader()[1]])


X, Y = counts(7, 4), labels(7, (-1, 3, 12))


def same(found: Any, x: np.ndarray = X, y: np.ndarray | None = Y) -> bool:
    """Whether a file that was read holds these rows and labels."""
    assert filled(found.x).dtype == torch.float32
    if y is None or found.y is None:
        same_labels = y is found.y
    else:
        assert found.y.dtype == np.int64
        same_labels = np.array_equal(found.y, y)
    return same_labels and torch.equal(filled(found.x), torch.from_numpy(x).float())


D = 5  # columns of the files of two domains
SIZES = {"source": 24, "target": 20, "source_val": 9, "target_test": 11}
CLASSES = (-1, 3, 12)


def arrays(part: str) -> tuple[np.ndarray, np.ndarray]:
    number = list(SIZES).index(part)
    return counts(SIZES[part], D, number), labels(SIZES[part], CLASSES, number)


def files(root: Path, *names: str, ending: str = ".npz") -> dict[str, Any]:
    """Two to four files, by their keys."""
    return {part: str(write(root / f"{part}{ending}", *arrays(part))) for part in names}


def domains(root: Path, *more: str, ending: str = ".npz", **options: Any) -> Any:
    """All rows of the source are trained on, unless options say otherwise."""
    settings = {"batch_size": 4, "batches_per_epoch": 7, "n_val": 0, **options}
    paths = files(root, "source", "target", *more, ending=ending)
    return DomainFeatures(**{**paths, **settings})


def numbered(y: np.ndarray) -> list[int]:
    return [CLASSES.index(label) for label in y]


def refused(data: TwoDomains, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as info:
        data.setup()
    assert "\n" not in str(info.value)
