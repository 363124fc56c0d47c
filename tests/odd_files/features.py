"""Odd feature files: text with marks, MATLAB's types, links, magnitudes."""

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import h5py
import numpy as np
import polars as pl

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


def hdf5(fill: Callable[[h5py.File], object], userblock: int = 0) -> bytes:
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

    return hdf5(fill, userblock=512)


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
    OddFile("same.h5", hdf5(_linked(h5py.SoftLink("/other"))), error="'x' as a link"),
    OddFile(
        "other.h5",
        hdf5(_linked(h5py.ExternalLink("other.h5", "/x"))),
        error="'x' as a link, or in another file",
    ),
    OddFile("outside.h5", hdf5(_outside), error="'x' as a link, or in another file"),
    OddFile("virtual.h5", hdf5(_virtual), error="'x' as a link, or in another file"),
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


def items(**columns: Any) -> bytes:
    """A Parquet table of the items a, b and c, unless it names others."""
    buffer = io.BytesIO()
    pl.DataFrame({"item": ["a", "b", "c"]} | columns).write_parquet(buffer)
    return buffer.getvalue()


def column(name: str, *values: Any, kind: Any = None, **expected: Any) -> OddFile:
    """A column ``x`` of the items a, b and c, and what it is expected to become."""
    x = pl.Series(values, dtype=kind)
    return OddFile(f"{name}.parquet", items(x=x), **expected)


def one_hot(*rows: str) -> tuple[list[str], list[list[float]]]:
    """Names and rows of the words a and b."""
    return ["x=a", "x=b"], [[float(w in row) for w in "ab"] for row in rows]


def _vector(*rows: list[float]) -> tuple[list[str], list[list[float]]]:
    return [f"x[{i}]" for i in range(len(rows[0]))], [*rows]


ONE_HOT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
PAIR = pl.Array(pl.Float32, 2)
NOON = datetime(1970, 1, 2, 12, tzinfo=UTC)
ITEM_COLUMNS = [
    column("genres", ["a", "b"], ["b"], [], expected=one_hot("ab", "b", "")),
    column(
        "missing_genres",
        ["a", None, ""],
        None,
        ["b", "b"],
        expected=one_hot("a", "", "b"),
    ),
    column(
        "kinds",
        ["a"],
        ["b"],
        ["b"],
        kind=pl.List(pl.Categorical),
        expected=one_hot(*"abb"),
    ),
    column("kind", *"aba", kind=pl.Categorical, expected=one_hot(*"aba")),
    column("choice", *"aba", kind=pl.Enum(["b", "a"]), expected=one_hot(*"aba")),
    column(
        "tags", [7, 12], [7], [], expected=(["x=12", "x=7"], [[1, 1], [0, 1], [0, 0]])
    ),
    column(
        "words",
        *[["a", "b"]] * 3,
        kind=pl.Array(pl.String, 2),
        expected=one_hot(*["ab"] * 3),
    ),
    column(
        "vectors",
        [1, 2],
        [3, 4],
        [5, 6],
        kind=PAIR,
        expected=_vector([1, 2], [3, 4], [5, 6]),
    ),
    column("fractions", [0.5], [1.0], [2.0], expected=(["x"], [[0.5], [1], [2]])),
    column(
        "ambiguous",
        [1, 2],
        [3, 4],
        [5, 6],
        error="lists of 2 whole numbers each, which may",
    ),
    column(
        "ragged",
        [0.5],
        [1.0, 2.0],
        [3.0],
        error="lists of numbers of different lengths",
    ),
    column(
        "nested",
        [["a"]],
        [["b"]],
        [["c"]],
        error=r"holds lists of List\(String\), which",
    ),
    column(
        "hollow",
        [1, 2],
        None,
        [3, 4],
        kind=PAIR,
        error="item 'b' has no 'x', nor have 1",
    ),
    column(
        "holed", [1, 2], [3, None], [5, 6], kind=PAIR, error="item 'b' has no 'x', nor"
    ),
    column(
        "prices",
        *map(Decimal, ["1.25", "0", "7"]),
        expected=(["x"], [[1.25], [0], [7]]),
    ),
    column(
        "lengths",
        *(timedelta(hours=12 * n) for n in range(3)),
        expected=(["x"], [[0], [0.5], [1]]),
    ),
    column(
        "dates",
        *(date(1970, 1, n) for n in (1, 2, 9)),
        expected=(["x"], [[0], [1], [8]]),
    ),
    column("moments", NOON, NOON, NOON, expected=(["x"], [[1.5]] * 3)),
    column("clock", time(0), time(6), time(12), expected=(["x"], [[0], [0.25], [0.5]])),
    column("truth", True, False, True, expected=(["x"], [[1], [0], [1]])),
    *(
        column(
            f"form_{n}", "x|y", *prices, error=f"such as '{least}', which may be num"
        )
        for n, (least, *prices) in enumerate(
            (
                ("0,5", "0,5", "1,5"),
                (".0.50", "$1.50", "$0.50"),
                ("1,000", "7", "1,000"),
                ("1%", "2 %", "1%"),
                ("-1 EUR", "-1 EUR", "€ 2"),
                ("1.163,74", "3.1", "1.163,74"),
                ("1'000", "1'000", "2\u202f000"),
                ("1 000,5", "1 000,5", "2"),
            )
        )
    ),
    *(
        column(f"name_{n}", *values, expected=(sorted({f"x={v}" for v in values}), hot))
        for n, (hot, *values) in enumerate(
            (
                (ONE_HOT, "007", "1", "8"),
                (ONE_HOT, "1,2,3", "4", "5,6,7"),
                (ONE_HOT, "16 GB", "18-24", "560 001"),
                (ONE_HOT, "0.1.2", "0.2.0", "10:30"),
            )
        )
    ),
    column("padded", "00.5", "1", "-7", expected=(["x"], [[0.5], [1], [-7]])),
    *(
        column(f"absent_{n}", "a", f" {word} | b", word, expected=one_hot("a", "b", ""))
        for n, word in enumerate(("NA", "nan", "None", "NULL", "\\N", "N/A", "#N/A"))
    ),
    column("gap", "1", "NA", "NA", error="item 'b' has no 'x', nor have 2 in all"),
    column("bytes", b"a", b"b", b"a", error="'x' holds Binary, which are no features"),
    column(
        "records", *[{"a": 1}] * 3, error="'x' holds Struct.*, which are no features"
    ),
    column(
        "empty", None, None, None, error=r"no column of features but 'x' \(it is empty"
    ),
    column(
        "far", 1e9, 1e9 + 7, 1e9 + 14, error=r"has a column \('x', from 1000000000 to"
    ),
]
