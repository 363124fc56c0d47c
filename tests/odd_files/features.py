"""Odd feature files: text with marks, MATLAB's types, links, magnitudes."""

import io
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from tests.odd_files.odd_file import OddFile

X = np.array([[2.0, 0.0], [1.0, 5.0]])
TEXT = "3 0:2\n-1 0:1 1:5\n"
GIVEN = (X.tolist(), [3, -1])
NAMED = (X.tolist(), ["cat", "horse"])
FAR = 1e8 + np.array([[0.25, 1.0], [0.5, 2.0]])


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _hdf5(fill: Callable[[h5py.File], object], userblock: int = 0) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=userblock) as file:
        fill(file)
    return buffer.getvalue()


def _typed(file: h5py.File, name: str, array: Any, kind: str) -> None:
    """A data set as MATLAB 7.3 writes it: transposed, with the name of its class."""
    file[name] = np.asarray(array).T
    file[name].attrs["MATLAB_class"] = np.bytes_(kind)


def matlab(array: Any, kind: str, key: str = "labels", **attributes: Any) -> bytes:
    """Features X and labels, one of them of the given class."""

    def fill(file: h5py.File) -> None:
        _typed(file, "fts", X, "double")
        if key in file:
            del file[key]
        _typed(file, key, array, kind)
        file[key].attrs.update(attributes)

    return _hdf5(fill, userblock=512)


def _codes(*names: str) -> np.ndarray:
    """A matrix of characters, filled up with spaces."""
    width = max(map(len, names))
    rows = [np.frombuffer(n.ljust(width).encode("utf-16-le"), "<u2") for n in names]
    return np.stack(rows)


def _linked(link: Any) -> Callable[[h5py.File], object]:
    def fill(file: h5py.File) -> None:
        file["other"] = X
        file["x"] = link

    return fill


def _outside(file: h5py.File) -> None:
    place = [("/etc/hostname", 0, 32)]
    file.create_dataset("x", (2, 2), "f8", external=place)


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((2, 2), "f8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (2, 2))
    file.create_virtual_dataset("x", layout)


TEXTS = [
    OddFile("marked.svm", b"\xef\xbb\xbf" + TEXT.encode(), GIVEN),
    OddFile("marked_note.svm", b"\xef\xbb\xbf# x\n" + TEXT.encode(), GIVEN),
    OddFile("marked_word.svm", b"\xef\xbb\xbfcat 0:1\n", error="has 'cat' in place of"),
    OddFile("dos.svm", TEXT.replace("\n", "\r\n").encode(), GIVEN),
    OddFile(
        "wide.svm", TEXT.encode("utf-16"), error="is UTF-16 text; save it as UTF-8"
    ),
    OddFile("mac.svm", TEXT.replace("\n", "\r").encode(), error="is cut off, damaged"),
]
MATLAB = [
    OddFile("numbers.mat", matlab([[3], [-1]], "int8"), GIVEN),
    OddFile("letters.mat", matlab(_codes("cat", "horse"), "char"), NAMED),
    OddFile(
        "others.mat",
        matlab(_codes("müsli", "日本"), "char"),
        (X.tolist(), ["müsli", "日本"]),
    ),
    OddFile(
        "text.mat", matlab([[1], [2]], "string"), error="'labels' as string, which"
    ),
    OddFile(
        "nothing.mat",
        matlab([0, 0], "double", MATLAB_empty=1),
        error=r"labels of shape \(0, 0\) for 2 rows",
    ),
    OddFile(
        "no_rows.mat",
        matlab([0, 0], "double", "fts", MATLAB_empty=1),
        error=r"fts is empty \(shape \(0, 0\)\)",
    ),
    OddFile(
        "letters_as_features.mat",
        matlab(_codes("cat", "horse"), "char", "fts"),
        error="fts is not a matrix of numbers",
    ),
]
LINKS = [
    OddFile("same.h5", _hdf5(_linked(h5py.SoftLink("/other"))), error="'x' as a link"),
    OddFile(
        "other.h5",
        _hdf5(_linked(h5py.ExternalLink("other.h5", "/x"))),
        error="'x' as a link, or in another file",
    ),
    OddFile("outside.h5", _hdf5(_outside), error="'x' as a link, or in another file"),
    OddFile("virtual.h5", _hdf5(_virtual), error="'x' as a link, or in another file"),
]
MAGNITUDES = [
    OddFile(
        "far.npz", _npz(x=FAR), error=r"column \(1, from .* set data.normalise to z"
    ),
    OddFile(
        "far_numbers.npz", _npz(x=10**9 + np.arange(6).reshape(3, 2)), error="float32"
    ),
    OddFile("far_float32.npz", _npz(x=FAR.astype("f4")), (FAR.round().tolist(), None)),
    OddFile("constant.npz", _npz(x=X * 0 + 1e8 + 0.25), ((X * 0 + 1e8).tolist(), None)),
    OddFile("noise.npz", _npz(x=0.1 + 1e-16 * X), ((X * 0 + 0.1).tolist(), None)),
    OddFile("wide.npz", _npz(x=1e6 * X + 0.1), ((1e6 * X + 0.1).tolist(), None)),
]
FEATURES = [*TEXTS, *MATLAB, *LINKS, *MAGNITUDES]
