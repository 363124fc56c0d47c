"""Feature files in every format, sound, cut off and damaged."""

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.io import savemat

from datamodules.readers.features.files import read_features, read_together
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.feature_sets import (
    DENSE,
    TEXT,
    counts,
    filled,
    labels,
    write,
    write_matlab_7_3,
)

X, Y = counts(7, 4), labels(7, (-1, 3, 12))


def same(found: Any, x: np.ndarray = X, y: np.ndarray | None = Y) -> bool:
    assert filled(found.x).dtype == torch.float32
    if y is None or found.y is None:
        same_labels = y is found.y
    else:
        assert found.y.dtype == np.int64
        same_labels = np.array_equal(found.y, y)
    return same_labels and torch.equal(filled(found.x), torch.from_numpy(x).float())


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


@pytest.mark.parametrize("dtype", ["u1", ">i4", "f2", ">f8", "?", "u8"])
def test_numbers_of_any_kind_become_float32(tmp_path: Path, dtype: str) -> None:
    x = X.astype(dtype)
    found = read_features(write(tmp_path / "few.npz", x, Y))
    assert same(found, x.astype(float))


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


@pytest.mark.parametrize("ending", DENSE)
def test_without_labels_there_are_none(tmp_path: Path, ending: str) -> None:
    assert same(read_features(write(tmp_path / f"few{ending}", X)), y=None)


def test_labels_of_another_file_take_the_place_of_its_own(tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", Y + 1)
    for ending in (".npy", ".npz"):
        path = write(tmp_path / f"few{ending}", X, Y)
        assert same(read_features(path, labels=tmp_path / "other.npy"), y=Y + 1)


@given(seed=st.integers(0, 10**6), first=st.booleans())
def test_columns_may_count_from_0_or_from_1(
    tmp_path_factory: pytest.TempPathFactory, seed: int, first: bool
) -> None:
    x, path = counts(5, 6, seed), tmp_path_factory.mktemp("rows") / "few.svm"
    lines = (" ".join(f"{j + first}:{v}" for j, v in enumerate(row) if v) for row in x)
    path.write_text("".join(f"{y} {line}\n" for y, line in enumerate(lines)))
    assert same(read_features(path), x, np.arange(5))
    assert same(read_features(path, zero_based=not first), x, np.arange(5))


def test_files_that_belong_together_count_columns_alike(tmp_path: Path) -> None:
    narrow = X.copy()
    narrow[:, [0, 3]] = 0
    paths = {
        "source": write(tmp_path / "narrow.svm", narrow, Y),
        "target": write(tmp_path / "wide.svm", X, Y),
    }
    found = read_together(paths)
    assert same(found["source"], narrow)
    assert same(found["target"])
    assert found["source"].x.shape == found["target"].x.shape == (7, 4)


def numbered_from_1(path: Path, x: np.ndarray) -> Path:
    lines = (" ".join(f"{j + 1}:{v}" for j, v in enumerate(row) if v) for row in x)
    path.write_text("".join(f"1 {line}\n" for line in lines))
    return path


def test_files_that_may_count_columns_differently_need_a_word(tmp_path: Path) -> None:
    paths = {
        "source": write(tmp_path / "from_0.svm", X, Y),
        "target": numbered_from_1(tmp_path / "from_1.svm", X),
    }
    with pytest.raises(
        ValueError,
        match=r"^data\.zero_based must .*source: .*from_0\.svm has a column 0, and "
        r"data\.target: .*from_1\.svm has none but a column 4 beyond",
    ):
        read_together(paths)
    shifted = np.pad(X, ((0, 0), (1, 0)))
    found = read_together(paths, zero_based=True)
    assert same(found["target"], shifted, np.ones(7))
    with pytest.raises(ValueError, match=r"source: .*from_0\.svm has a column 0 where"):
        read_together(paths, zero_based=False)


def test_a_bad_file_of_labels_is_named_by_its_own_key(tmp_path: Path) -> None:
    path = write(tmp_path / "few.npy", X, Y[:-1])
    with pytest.raises(ValueError, match=r"^data\.path: .*few_labels\.npy has 6"):
        read_features(path)
    with pytest.raises(ValueError, match=r"^data\.labels\.path: .*few_labels\.npy has"):
        read_features(path, labels=tmp_path / "few_labels.npy")


def test_text_beside_another_format_says_where_columns_begin(tmp_path: Path) -> None:
    narrow = X.copy()
    narrow[:, 0] = 0
    paths = {
        "source": write(tmp_path / "narrow.svm", narrow, Y),
        "target": write(tmp_path / "other.mat", X, Y),
    }
    with pytest.raises(
        ValueError, match=r"^data\.zero_based: columns .* true or false"
    ):
        read_together(paths)
    assert same(read_together(paths, zero_based=True)["source"], narrow)


@pytest.mark.parametrize(("width", "zero_based"), [(3, True), (4, False), (2, False)])
def test_columns_outside_the_width_are_refused(
    tmp_path: Path, width: int, zero_based: bool
) -> None:
    path = write(tmp_path / "few.svm", X, Y)
    with pytest.raises(
        ValueError, match=rf"few\.svm has a column \d.* {width} columns"
    ):
        read_features(path, width, zero_based=zero_based)


def test_rows_without_entries_are_rows(tmp_path: Path) -> None:
    (tmp_path / "few.svm").write_text("1\n-1 0:2 2:1\n1\n")
    x = np.array([[0, 0, 0], [2, 0, 1], [0, 0, 0]])
    assert same(read_features(tmp_path / "few.svm"), x, np.array([1, -1, 1]))


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


def test_an_infinite_number_in_text_is_found_in_its_row(tmp_path: Path) -> None:
    (tmp_path / "few.svm").write_text("1 0:1\n1\n1 0:2 3:inf\n")
    with pytest.raises(ValueError, match="infinite feature in row 3 of 3"):
        read_features(tmp_path / "few.svm")


@pytest.mark.parametrize("ending", [".mat", ".npz", ".h5"])
def test_what_is_there_is_named_where_features_are_not(
    tmp_path: Path, ending: str
) -> None:
    path = write(tmp_path / f"few{ending}", X, Y, ("pixels", "labels"))
    with pytest.raises(ValueError, match=r"few\..* holds .*pixels.*, and no features"):
        read_features(path)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_text_without_lines_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "few.svm").write_text(text)
    with pytest.raises(ValueError, match=r"few\.svm: features is empty"):
        read_features(tmp_path / "few.svm")


def test_an_unknown_ending_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("1,2\n")
    with pytest.raises(ValueError, match=r"few\.csv has an unknown ending; .*\.mat"):
        read_features(tmp_path / "few.csv")
    with pytest.raises(FileNotFoundError, match=r"few\.mat does not exist"):
        read_features(tmp_path / "few.mat")
    path = write(tmp_path / "few.npz", X, Y)
    with pytest.raises(ValueError, match=r"few\.csv has an unknown ending; .*\.npy"):
        read_features(path, labels=tmp_path / "few.csv")
    with pytest.raises(FileNotFoundError, match=r"gone\.npy does not exist"):
        read_features(path, labels=tmp_path / "gone.npy")


def test_text_need_not_end_its_last_line(tmp_path: Path) -> None:
    path = write(tmp_path / "few.svm", X, Y)
    path.write_bytes(path.read_bytes().rstrip())
    assert same(read_features(path))


@pytest.mark.parametrize("cut", [" 0", " 0:", " 0:.", " :"])
def test_a_last_line_that_is_cut_off_is_damage(tmp_path: Path, cut: str) -> None:
    (tmp_path / "few.svm").write_text(f"1 0:1\n1{cut}")
    with pytest.raises(ValueError, match=r"few\.svm is cut off, damaged"):
        read_features(tmp_path / "few.svm")


@pytest.mark.parametrize("line", ["0:1 2:3", "cat 0:1", "1,2 0:4"])
def test_lines_without_a_number_as_label_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "few.svm").write_text(f"# x\n1 0:1\n{line}\n")
    word = line.split()[0]
    with pytest.raises(
        ValueError, match=rf"few\.svm has '{word}' in place of a label in line 3; begin"
    ):
        read_features(tmp_path / "few.svm")


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


@pytest.mark.data
def test_the_features_of_the_published_files_are_read_as_published(
    real_data: Path,
) -> None:
    found = read_features(real_data / "office_caltech10/surf/dslr.mat")
    assert found.x.shape == (157, 800)
    assert found.y is not None
    assert np.bincount(found.y)[1:].tolist() == [12, 21, 12, 13, 10, 24, 22, 12, 8, 23]
