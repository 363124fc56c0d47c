"""Arrays out of .mat, .h5, .npz, .npy and svmlight files; nothing is unpickled."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, is_zipfile

import h5py
import numpy as np
from scipy import sparse
from scipy.io import loadmat, whosmat

from datamodules.readers.features.arrays import Found, OtherFormError
from datamodules.readers.features.svmlight import TEXT, read_text
from lightning_modules.core.limits import check_size

FEATURES = ("x", "features", "fts", "feas", "data")
"""Names of features in files, in capitals or not; the first that is there counts."""
LABELS = ("y", "labels", "label", "target")
"""Names of labels in files, likewise."""
HEADS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
BYTES, LETTER, PLACE = 4, 4, 8
"""What a number takes at least, which becomes float32, a letter, and an index."""

MATLAB_CLASSES = (
    *("double", "single", "logical", "char", "cell", "struct"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
"""What MATLAB 7.3 writes as plain arrays; cells and structs are refused later."""


def first_of(keys: Iterable[str], names: Iterable[str]) -> str | None:
    """The first of the keys that is among the names, as it is written; or None.

    Raises:
        OtherFormError: It is there in several spellings.

    >>> first_of(FEATURES, ["Labels", "Fts"])
    'Fts'
    """
    names = list(names)
    for key in keys:
        spelled = [name for name in names if name.lower() == key]
        if len(spelled) > 1:
            raise OtherFormError(
                f"holds {' and '.join(spelled)}; rename or remove all but one."
            )
        if spelled:
            return spelled[0]
    return None


def _used(names: Iterable[str]) -> list[str]:
    names = list(names)
    written = (first_of(keys, names) for keys in (FEATURES, LABELS))
    return [name for name in written if name is not None]


def read_mat(path: Path) -> Found:
    """MATLAB's own format, or HDF5, which MATLAB writes as version 7.3."""
    if h5py.is_hdf5(path):
        return read_hdf5(path, is_matlab=True)
    found = {name: (shape, kind) for name, shape, kind in whosmat(str(path), False)}
    names = list(found)
    used = _used(names)
    for name in used:
        _check_matlab(path, *found[name])
    arrays = loadmat(str(path), appendmat=False, variable_names=used)
    return names, {name: _sound(arrays[name]) for name in used}


def _check_matlab(path: Path, shape: tuple[int, ...], kind: str) -> None:
    """Refuses an array that is too large; of a sparse one the sides are known."""
    sides = PLACE * sum(shape)
    check_size(sides if kind == "sparse" else BYTES * math.prod(shape), path)


def read_hdf5(path: Path, is_matlab: bool = False) -> Found:
    """Data sets at the top of a file; MATLAB writes them transposed."""
    with h5py.File(path, "r") as file:
        names = list(file)
        return names, {key: _item(own(file, key), is_matlab) for key in _used(names)}


def own(group: Any, name: str) -> Any:
    """What HDF5 has under a name, if it lies in the file itself.

    Raises:
        KeyError: There is nothing.
        OtherFormError: It lies, or may lie, in another file, which whoever made this
            one chose.
    """
    link = group.get(name, getlink=True)
    if link is None:
        raise KeyError(f"there is no {name}")
    item = group[name] if isinstance(link, h5py.HardLink) else None
    stored = isinstance(item, h5py.Dataset)
    if item is None or (stored and (item.is_virtual or item.external)):
        raise OtherFormError(
            f"holds '{name}' as a link, or in another file; store the array itself."
        )
    return item


def _item(item: Any, is_matlab: bool) -> Any:
    """An array, or a sparse matrix, which MATLAB writes as a group of arrays."""
    if isinstance(item, h5py.Dataset):
        return _matlab_array(item) if is_matlab else whole(item)
    if "MATLAB_sparse" not in item.attrs:
        return np.array(list(item))  # names, which are no features
    starts = whole(own(item, "jc")).astype(np.int64)
    shape = (int(item.attrs["MATLAB_sparse"]), len(starts) - 1)
    check_size(PLACE * sum(shape), Path(item.file.filename))
    if "data" not in item:
        return sparse.csc_array(shape)  # no entries
    entries = (
        whole(own(item, "data")),
        whole(own(item, "ir")).astype(np.int64),
        starts,
    )
    return _sound(sparse.csc_array(entries, shape=shape))


def whole(item: Any) -> Any:
    """All values of a data set of HDF5, which may promise more than are stored.

    Raises:
        TooLargeError: They would take too much memory.
    """
    path = Path(item.file.filename)
    check_size(item.size * max(item.dtype.itemsize, BYTES), path)
    if item.dtype.kind != "O" or not h5py.check_string_dtype(item.dtype):
        return item[()]
    text = item.asstr("utf-8")[()]
    longest = max(map(len, np.ravel(text)), default=0)
    check_size(np.size(text) * longest * LETTER, path)  # all get the room of that
    return text.astype(np.str_)


def _matlab_array(item: Any) -> Any:
    """An array as MATLAB shows it; of letters, which it stores as numbers, the rows."""
    kind = np.bytes_(item.attrs.get("MATLAB_class", b"double")).decode()
    if kind not in MATLAB_CLASSES:
        raise OtherFormError(
            f"holds '{item.name[1:]}' as {kind}, which only MATLAB reads; save numbers "
            "or a char matrix."
        )
    if item.attrs.get("MATLAB_empty"):
        return np.zeros((0, 0))  # in the place of which its shape is written
    array = whole(item).T
    if kind != "char":
        return array
    codes = np.ascontiguousarray(array, dtype="<u2")
    return np.array([row.tobytes().decode("utf-16-le") for row in codes])


def _sound(array: Any) -> Any:
    """An array; a sparse one only if its entries lie within it."""
    matrix: Any = array
    if sparse.issparse(array) and matrix.format in ("csr", "csc", "bsr"):
        matrix.check_format(full_check=True)
    return array


def read_npz(path: Path) -> Found:
    """NumPy's archive of arrays, or the sparse matrix that SciPy writes as one."""
    if not is_zipfile(path):
        raise ValueError("it is not an archive")
    with np.load(path, allow_pickle=False) as file, _without_objects():
        is_sparse = {"format", "shape", "data"} <= set(file.files)
        for name in file.files if is_sparse else _used(file.files):
            _check_member(path, file.zip, name)
        if is_sparse:
            check_size(PLACE * sum(map(int, file["shape"])), path)
            matrix: Any = _sound(sparse.load_npz(path))
            return ["data"], {"data": _sound(sparse.csr_array(matrix))}
        return file.files, {key: file[key] for key in _used(file.files)}


def read_npy(path: Path) -> Found:
    """One array of NumPy, as ``x``."""
    with path.open("rb") as file, _without_objects():
        _check_head(path, file)
        file.seek(0)
        return ["x"], {"x": np.lib.format.read_array(file, allow_pickle=False)}


def _check_member(path: Path, archive: ZipFile, name: str) -> None:
    """Refuses an array of an archive whose head or packed size is too large."""
    member = name if name in archive.namelist() else f"{name}.npy"
    check_size(archive.getinfo(member).file_size, path)
    with archive.open(member) as file:
        _check_head(path, file)


def _check_head(path: Path, file: IO[bytes]) -> None:
    """Refuses an array whose head promises too much."""
    read = HEADS.get(np.lib.format.read_magic(file))
    if read is not None:  # others have named fields, or are unknown to NumPy
        shape, _, dtype = read(file)
        check_size(math.prod(shape) * max(dtype.itemsize, BYTES), path)


@contextmanager
def _without_objects() -> Iterator[None]:
    """Error text for arrays of Python's objects."""
    try:
        yield
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise OtherFormError(
            "holds Python's objects, which only unpickling could read; save them as "
            "whole numbers or strings of fixed width."
        ) from error


READERS: dict[str, Callable[[Path], Found]] = {
    ".mat": read_mat,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".npz": read_npz,
    ".npy": read_npy,
    **dict.fromkeys(TEXT, read_text),
}
"""Readers by the ending of a file."""
