"""Rows and labels out of arrays of any kind, and what is refused."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import sparse

from datamodules.readers.features.files import read_features
from tests.support.feature_sets import (
    DENSE,
    X,
    Y,
    counts,
    same,
    write,
)


@pytest.mark.parametrize("dtype", ["u1", ">i4", "f2", ">f8", "?", "u8"])
def test_numbers_of_any_kind_become_float32(tmp_path: Path, dtype: str) -> None:
    x = X.astype(dtype)
    found = read_features(write(tmp_path / "few.npz", x, Y))
    assert same(found, x.astype(float))


@pytest.mark.parametrize("shape", [(7,), (7, 1), (1, 7)])
@pytest.mark.parametrize("dtype", [np.int8, np.float64])
def test_labels_are_a_row_or_a_column(
    tmp_path: Path, shape: tuple[int, ...], dtype: type
) -> None:
    y: np.ndarray = Y.reshape(shape).astype(dtype)
    assert same(read_features(write(tmp_path / "few.mat", X, y)))


@pytest.mark.parametrize("kind", ["U", "S"])
@pytest.mark.parametrize("ending", DENSE)
def test_names_are_labels_too(tmp_path: Path, kind: str, ending: str) -> None:
    y = np.resize(["cat", "müsli", "dog"], 7)
    y = np.char.encode(y, "utf-8") if kind == "S" else y
    if ending in (".h5", ".hdf5"):  # which knows no strings of numpy's own
        path = write(tmp_path / f"few{ending}", X)
        with h5py.File(path, "r+") as file:
            file["labels"] = y.tolist() if kind == "U" else y
    else:
        if ending == ".mat":  # filled up with spaces, and without other letters
            y = np.resize(["cat", "mouse", "dog"], 7).astype(kind)
        path = write(tmp_path / f"few{ending}", X, y)
    found = read_features(path).y
    assert found is not None
    middle = "mouse" if ending == ".mat" else "müsli"
    assert found.tolist() == ["cat", middle, "dog"] * 2 + ["cat"]


def replaced(value: float) -> np.ndarray:
    x = X.astype(float)
    x[2, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (replaced(np.nan), Y, "fts has a NaN or infinite feature in row 3 of 7"),
        (replaced(-np.inf), Y, "fts has a NaN or infinite feature in row 3 of 7"),
        (replaced(1e300), Y, "fts has a NaN or infinite feature in row 3 of 7"),
        (
            sparse.csr_array(replaced(np.nan)),
            Y,
            "fts .* feature in row 3 of 7",
        ),
        (X[:0], Y[:0], "fts is empty"),
        (X[:, :0], Y, "fts is empty"),
        (X[None], Y, r"fts is not a matrix of numbers .* shape \(1, 7, 4\)"),
        (X * 1j, Y, "fts is not a matrix of numbers .* complex"),
        (X.astype("U3"), Y, "fts is not a matrix of numbers"),
        (X, Y[:-1], "labels has 6 labels for 7 rows"),
        (X, np.eye(7), r"labels has labels of shape \(7, 7\) for 7 rows"),
        (counts(8, 4), Y[:1].repeat(8).reshape(2, 4), r"labels .* shape \(2, 4\)"),
        (X, Y + 0.5, "labels has labels that are not whole numbers"),
        (X, np.where(Y > 0, np.nan, 1), "labels has labels that are not whole"),
        (X, np.where(Y > 0, np.inf, 1), "labels has labels that are not whole"),
        (X, Y.astype(object), "labels holds object, and labels are whole numbers or"),
        (X, Y * 1j, "labels holds complex.*, and labels are whole numbers or names"),
    ],
)
def test_what_is_no_features_or_labels_is_refused(
    tmp_path: Path, x: Any, y: np.ndarray, sentence: str
) -> None:
    path = write(tmp_path / "few.mat", x, y)
    with pytest.raises(
        ValueError, match=rf"^data\.path: .*few\.mat: {sentence}"
    ) as info:
        read_features(path)
    assert "\n" not in str(info.value)
