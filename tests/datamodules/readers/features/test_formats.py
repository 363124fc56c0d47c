"""Arrays in every format, sound, cut off and damaged."""

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat

from datamodules.readers.features.files import read_features
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.feature_sets import (
    DENSE,
    TEXT,
    X,
    Y,
    same,
    write,
    write_matlab_7_3,
)


@pytest.mark.parametrize("ending", [*DENSE, *TEXT])
def test_every_format_gives_rows_and_labels_as_they_were_written(
    tmp_path: Path, ending: str
) -> None:
    found = read_features(write(tmp_path / f"few{ending}", X, Y))
    assert same(found)
    assert isinstance(found.x, SparseRows) == (ending in TEXT)


@pytest.mark.parametrize("x", [X, sparse.csc_array(X), sparse.csc_array((7, 4))])
def test_matlab_7_3_is_read_like_matlab_5(tmp_path: Path, x: Any) -> None:
    new = read_features(write_matlab_7_3(tmp_path / "new.mat", x, Y))
    old = read_features(write(tmp_path / "old.mat", x, Y))
    written = x if isinstance(x, np.ndarray) else x.toarray()
    assert same(new, written)
    assert same(old, written)
    assert isinstance(new.x, SparseRows) == isinstance(old.x, SparseRows)
    assert isinstance(new.x, SparseRows) == sparse.issparse(x)


@pytest.mark.parametrize(
    "names", [("x", "y"), ("Features", "LABEL"), ("data", "target")]
)
@pytest.mark.parametrize("ending", [".mat", ".npz", ".h5"])
def test_arrays_are_found_by_name_in_capitals_or_not(
    tmp_path: Path, ending: str, names: tuple[str, str]
) -> None:
    assert same(read_features(write(tmp_path / f"few{ending}", X, Y, names)))


def test_of_several_names_the_first_counts(tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", data=X + 1, x=X, target=Y + 1, labels=Y)
    assert same(read_features(tmp_path / "few.npz"))


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
def test_a_matrix_saved_by_scipy_is_read(tmp_path: Path, form: Any) -> None:
    sparse.save_npz(tmp_path / "few.npz", sparse.csr_array(X).asformat(form))
    np.save(tmp_path / "y.npy", Y)
    found = read_features(tmp_path / "few.npz", labels=tmp_path / "y.npy")
    assert isinstance(found.x, SparseRows)
    assert same(found)
    assert same(read_features(tmp_path / "few.npz"), y=None)


def test_a_matrix_of_scipy_that_points_outside_is_damaged(tmp_path: Path) -> None:
    matrix = sparse.csr_array(X)
    matrix.indices[0] = 1_000_000
    sparse.save_npz(tmp_path / "few.npz", matrix)
    with pytest.raises(ValueError, match=r"few\.npz is cut off, damaged"):
        read_features(tmp_path / "few.npz")


@pytest.mark.parametrize(("names", "says"), [("xX", "X and x"), ("yY", "Y and y")])
def test_two_spellings_of_a_name_are_refused(
    tmp_path: Path, names: str, says: str
) -> None:
    arrays: dict[str, Any] = dict.fromkeys(names, X)
    np.savez(tmp_path / "few.npz", fts=X, **arrays)
    first, second = says.split(" and ")
    both = f"({first} and {second}|{second} and {first})"
    with pytest.raises(ValueError, match=rf"few\.npz holds {both}; rename"):
        read_features(tmp_path / "few.npz")


def cut_places(raw: bytes, ending: str, first: int) -> list[int]:
    """Where a file is cut; cut after a line or an array, it is a shorter file."""
    places = sorted({*range(0, len(raw), max(1, len(raw) // 60)), len(raw) - 1})
    if ending == ".mat":
        places = [n for n in places if n != first]
    return places


@pytest.mark.parametrize("ending", [".mat", ".npz", ".npy", ".h5", "7.3.mat"])
def test_a_file_that_was_cut_off_anywhere_is_refused(
    tmp_path: Path, ending: str
) -> None:
    if ending == "7.3.mat":
        whole = write_matlab_7_3(tmp_path / "whole.mat", X, Y)
    else:
        whole = write(tmp_path / f"whole{ending}", X, Y)
    raw = whole.read_bytes()
    path = tmp_path / f"cut{whole.suffix}"
    (tmp_path / "cut_labels.npy").write_bytes(
        (tmp_path / "whole_labels.npy").read_bytes() if ending == ".npy" else b""
    )
    alone = write(tmp_path / "alone.mat", X).stat().st_size
    for n in cut_places(raw, ending, alone):
        path.write_bytes(raw[:n])
        with pytest.raises(
            ValueError, match=rf"^data\.path: .*cut\{path.suffix}"
        ) as info:
            read_features(path)
        assert "\n" not in str(info.value)


@pytest.mark.parametrize("ending", [".mat", ".npz", ".npy", ".h5", ".svm"])
def test_noise_is_refused_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    draw = np.random.default_rng(0)
    path = tmp_path / f"noise{ending}"
    for size in (1, 10, 128, 200, 1_000, 5_000):
        path.write_bytes(draw.bytes(size))
        with pytest.raises(ValueError, match=rf"noise\{ending} is cut off, damaged"):
            read_features(path)


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("sprung"),)


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_nothing_is_unpickled(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"trap{ending}"
    array = np.array([[Trap()]], dtype=object)
    np.save(path, array) if ending == ".npy" else np.savez(path, x=array)
    for says in ("holds Python's objects, .* fixed width", "is cut off, damaged or of"):
        with pytest.raises(ValueError, match=rf"trap\{ending} {says}"):
            read_features(path)
        path.write_bytes(pickle.dumps(Trap()))
    assert not Path("sprung").exists()


def test_sparse_matrices_that_point_outside_are_damaged(tmp_path: Path) -> None:
    path = write_matlab_7_3(tmp_path / "few.mat", sparse.csc_array(X), Y)
    with h5py.File(path, "r+") as file:
        file["fts/ir"][0] = 1_000_000
    with pytest.raises(ValueError, match=r"few\.mat is cut off, damaged"):
        read_features(path)


def test_a_group_is_no_matrix(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "few.h5", "w") as file:
        file["data/train"] = X
    with pytest.raises(ValueError, match=r"few\.h5: data is not a matrix"):
        read_features(tmp_path / "few.h5")


def test_a_matlab_cell_is_no_matrix(tmp_path: Path) -> None:
    cell = np.empty((7, 4), object)
    cell[:] = "a"
    savemat(tmp_path / "few.mat", {"fts": cell, "labels": Y})
    with pytest.raises(ValueError, match=r"few\.mat: fts is not a matrix"):
        read_features(tmp_path / "few.mat")
