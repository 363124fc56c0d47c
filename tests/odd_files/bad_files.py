"""Data files that are damaged, hostile or of another kind, for every data module."""

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import polars as pl
import torch
from PIL import Image
from scipy import sparse
from scipy.io import savemat

import datamodules
from tests.odd_files.features import hdf5
from tests.odd_files.images import encoded
from tests.support import small_data
from tests.support.digit_sets import idx

Content = bytes | Callable[[Path], object]
"""Bytes of a file, or a function that makes it."""


class BadFile(NamedTuple):
    """Files that take the place of sound ones, and the data module that reads them.

    Args:
        title: What is wrong.
        data: Name of the data module.
        files: Contents by paths below the folder of `small_data.write_all`.
        options: Of the data module, beside or in place of those in `small_data`.
        says: Pattern of the sentence; by default the name of the first file.
    """

    title: str
    data: str
    files: Mapping[str, Content]
    options: Mapping[str, Any] = {}
    says: str | None = None


def put(bad: BadFile, root: Path) -> None:
    """Write bad files in the place of sound ones."""
    for name, content in bad.files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content) if isinstance(content, bytes) else content(path)


def built(bad: BadFile, root: Path) -> Any:
    """The data module, told to read bad files below the folder of sound ones."""
    options = {**small_data.OPTIONS[bad.data](root), **bad.options}
    written = {k: str(v).format(root=root) for k, v in options.items()}
    texts = {k: v for k, v in written.items() if isinstance(options[k], str | Path)}
    return getattr(datamodules, bad.data)(**options | texts)


def read(bad: BadFile, root: Path) -> Any:
    """The data module after it has read what there is, if it did not refuse it."""
    data = built(bad, root)
    data.find()
    data.setup()
    return data


# What is no file ----------------------------------------------------------------------


def endless(path: Path) -> None:
    """A device that never ends."""
    path.symlink_to("/dev/zero")


ODD_PLACES: Mapping[str, Content] = {
    "pipe": os.mkfifo,
    "device": endless,
    "folder": Path.mkdir,
}

# Contents -----------------------------------------------------------------------------


def png_claims(width: int, height: int) -> bytes:
    """A PNG whose head promises pixels that aren't there."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk + encoded("PNG")[33:]


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_claims(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """An array whose head promises values that aren't there."""
    file = io.BytesIO()
    head = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)
    return file.getvalue() + bytes(64)


def archive(**members: bytes) -> bytes:
    """A packed .npz of these files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name + ".npy", content)
    return file.getvalue()


def zeros_npz(n: int, d: int) -> bytes:
    """Zeros float64 (n, d) in a thousandth of their size."""
    return archive(x=npy(np.zeros((n, d))), y=npy(np.arange(n) % 2))


def one_entry(*shape: int) -> Any:
    place = np.zeros(1, np.int64)
    return sparse.coo_array((np.ones(1), (place, place)), shape=shape)


def saved_sparse(*shape: int, form: Any = "coo") -> bytes:
    """A matrix of SciPy with one entry."""
    file = io.BytesIO()
    sparse.save_npz(file, one_entry(*shape).asformat(form))
    return file.getvalue()


def claims(name: str, shape: tuple[int, ...], kind: str = "f8") -> Callable[..., None]:
    """A data set of which nothing is stored."""

    def fill(file: h5py.File) -> None:
        file.create_dataset(name, shape, kind, chunks=(1,) * len(shape))

    return fill


def mat(**arrays: Any) -> bytes:
    file: Any = io.BytesIO()
    savemat(file, arrays, do_compression=True)
    return bytes(file.getvalue())


def usps(**odd: Any) -> bytes:
    """USPS of 20 and 12 digits, with something else in its training part."""

    def fill(file: h5py.File) -> None:
        for part, n in (("train", 20), ("test", 12)):
            sound = {"data": np.zeros((n, 256)), "target": np.arange(n) % 10}
            held = sound | (odd if part == "train" else {})
            for name, values in held.items():
                file[f"{part}/{name}"] = values

    return hdf5(fill)


def usps_claims(n: int) -> bytes:
    def fill(file: h5py.File) -> None:
        for part in ("train", "test"):
            claims(f"{part}/data", (n, 256))(file)
            claims(f"{part}/target", (n,), "i8")(file)

    return hdf5(fill)


def saved(*values: Any) -> bytes:
    file = io.BytesIO()
    torch.save(values, file)
    return file.getvalue()


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def tar(*names: str) -> bytes:
    """A .tar.gz with empty files of these names."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name in names:
            packed.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def packed_zeros(megabytes: int) -> bytes:
    """Zeros as a .gz of many parts, a thousandth of their size."""
    return gzip.compress(bytes(2**20)) * megabytes


# By data module -----------------------------------------------------------------------

RAW = "mnist/MNIST/raw/"
KINDS = ("images-idx3", "labels-idx1")
IMAGES, LABELS = (f"{RAW}train-{kind}-ubyte" for kind in KINDS)
TEST = [f"{RAW}t10k-{kind}-ubyte" for kind in KINDS]
PACKED = IMAGES + ".gz"
SMALL: Mapping[str, Any] = {"max_gigabytes": 0.001}
HEAD = b"\0\0\x08\x03" + struct.pack(">III", 20, 28, 28)


def mnist(title: str, content: Content, file: str = IMAGES, **more: Any) -> BadFile:
    return BadFile(f"idx {title}", "MNIST", {file: content}, **more)


def gone(path: Path) -> None:
    """Nothing in the place of a file."""


MNIST = [
    *(mnist(f"is a {kind}", place) for kind, place in ODD_PLACES.items()),
    *(mnist(f"of labels is a {k}", place, LABELS) for k, place in ODD_PLACES.items()),
    mnist("without dimensions", b"\0\0\x08\0\x05", LABELS),
    mnist("of images without dimensions", b"\0\0\x08\0\x05"),
    BadFile(
        "idx of nothing",
        "MNIST",
        {
            TEST[0]: idx(torch.zeros(0, 28, 28, dtype=torch.uint8)),
            TEST[1]: idx(torch.zeros(0, dtype=torch.uint8)),
        },
    ),
    BadFile(
        "idx to train on of nothing",
        "MNIST",
        {
            IMAGES: idx(torch.zeros(0, 28, 28, dtype=torch.uint8)),
            LABELS: idx(torch.zeros(0, dtype=torch.uint8)),
        },
        {"n_val": 0},
    ),
    mnist("label 200", idx(torch.full((20,), 200, dtype=torch.uint8)), LABELS),
    mnist("nested labels", idx(torch.zeros(20, 1, dtype=torch.uint8)), LABELS),
    mnist("of 255 dimensions", b"\0\0\x08\xff" + b"\xff" * 1020),
    mnist("of 2^96 pixels", b"\0\0\x08\x03" + b"\xff" * 12),
    mnist("of floats", b"\0\0\x0d\x03" + HEAD[4:] + bytes(20 * 28 * 28)),
    mnist("empty", b""),
    mnist("short", HEAD[:7]),
    BadFile(
        "idx bomb",
        "MNIST",
        {PACKED: gzip.compress(HEAD) + packed_zeros(1024), IMAGES: gone},
        says=r"images-idx3-ubyte\.gz",
    ),
    BadFile(
        "idx that promises a bomb",
        "MNIST",
        {
            PACKED: gzip.compress(b"\0\0\x08\x03" + struct.pack(">III", 2**31, 28, 28)),
            IMAGES: gone,
        },
        says=r"images-idx3-ubyte\.gz",
    ),
    BadFile("idx of junk", "MNIST", {PACKED: b"\x1f\x8b\x08junk", IMAGES: gone}),
]

STRIP, JSON = "cifar10_batch_0.png", "labels.json"
ARCHIVE = "cifar-10-python.tar.gz"


def cifar(title: str, labels: Any) -> BadFile:
    content = labels if isinstance(labels, bytes) else json.dumps(labels).encode()
    return BadFile(f"labels.json {title}", "CIFAR10", {JSON: content})


def strip(title: str, content: Content) -> BadFile:
    return BadFile(f"strip {title}", "CIFAR10", {STRIP: content})


TOO_MANY = 50_016
CIFAR10 = [
    *(
        BadFile(f"{file} is a {kind}", "CIFAR10", {file: place})
        for file in (JSON, STRIP)
        for kind, place in ODD_PLACES.items()
    ),
    BadFile(
        "archive with a member outside",
        "CIFAR10",
        {ARCHIVE: tar("../outside"), JSON: gone},
    ),
    cifar("label 200", [200] * TOO_MANY),
    cifar("label -1", [-1] * TOO_MANY),
    cifar("label 1.5", [1.5] * TOO_MANY),
    cifar("nested", [[1]] * 50),
    cifar("ragged", [[1], 2]),
    cifar("names", ["cat"] * TOO_MANY),
    cifar("an object", {"labels": [1]}),
    cifar("null", [None] * TOO_MANY),
    cifar("NaN", b"[NaN]"),
    cifar("too large", [10**30] * TOO_MANY),
    cifar("a number", 3),
    cifar("deep", b"[" * 100_000 + b"]" * 100_000),
    cifar("many digits", b"[" + b"9" * 5000 + b"]"),
    cifar("not text", b"\xff\xfe\0"),
    strip("cut off", encoded("PNG", Image.effect_noise((1024, 8), 99))[:-99]),
    strip("of other width", encoded("PNG")),
    strip("junk", b"junk"),
    strip("bomb", png_claims(1024, 2**20)),
    strip("of Pillow's limit", png_claims(1024, 170_000)),
]

USPS, LIST = "usps/usps.h5", "mnist_m/mnist_m_train_labels.txt"
TENSORS, ABOVE = "mnist_m/mnist_m_train.pt", "mnist_m/mnist_m_test.pt"
DIGITS = torch.zeros(20, 28, 28, 3, dtype=torch.uint8)
NINE = torch.arange(20) % 10
M = {"source": "mnist_m", "target": "mnist", "n_val": 0}


def of_usps(title: str, content: Content, **more: Any) -> BadFile:
    return BadFile(f"usps.h5 {title}", "DigitDomains", {USPS: content}, **more)


def listed(title: str, content: Content, **more: Any) -> BadFile:
    files = {LIST: content, LIST.replace("train", "test"): b"1.png 1\n"}
    return BadFile(f"MNIST-M's list {title}", "DigitDomains", files, M, **more)


def tensors(title: str, content: Content) -> BadFile:
    files = {TENSORS: content, ABOVE: saved(DIGITS, NINE)}
    return BadFile(f"MNIST-M's tensors {title}", "DigitDomains", files, M)


def squeezed(content: bytes) -> bytes:
    """The same zip file with packed parts."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return file.getvalue()


DIGIT_DOMAINS = [
    *(of_usps(f"is a {kind}", place) for kind, place in ODD_PLACES.items()),
    of_usps("of 1 TB", usps_claims(2**29)),
    of_usps("label 1.5", usps(target=np.full(20, 1.5))),
    of_usps("label 200", usps(target=np.full(20, 200))),
    of_usps("label -1", usps(target=np.full(20, -1))),
    of_usps("label NaN", usps(target=np.full(20, np.nan))),
    of_usps("labels nested", usps(target=np.zeros((20, 1)))),
    of_usps("one label", usps(target=3)),
    of_usps("names", usps(target=np.array([b"cat"] * 20))),
    of_usps("lacks labels", usps(target=np.zeros(19))),
    of_usps("empty", usps(data=np.zeros((0, 256)), target=np.zeros(0))),
    of_usps("NaN", usps(data=np.full((20, 256), np.nan))),
    of_usps("complex", usps(data=np.zeros((20, 256), complex))),
    of_usps("other size", usps(data=np.zeros((20, 255)))),
    of_usps("text", usps(data="pixels")),
    of_usps("links", hdf5(lambda f: f.update(train=h5py.SoftLink("/test")))),
    *(listed(f"is a {kind}", place) for kind, place in ODD_PLACES.items()),
    listed("label 200", b"1.png 200\n"),
    listed("label -1", b"1.png -1\n"),
    listed("label 1.5", b"1.png 1.5\n"),
    listed("many digits", b"1.png " + b"9" * 5000 + b"\n"),
    listed("too large", b"1.png 1" + b"0" * 30 + b"\n"),
    listed("without labels", b"1.png\n"),
    listed("empty", b""),
    listed("outside", b"../../../../../etc/passwd 3\n", says="outside|passwd"),
    listed("elsewhere", b"/etc/passwd 3\n", says="passwd"),
    listed("a device", b"/dev/zero 3\n", says="/dev/zero"),
    *(tensors(f"is a {kind}", place) for kind, place in ODD_PLACES.items()),
    tensors("label 1.5", saved(DIGITS, NINE + 0.5)),
    tensors("label 200", saved(DIGITS, NINE + 200)),
    tensors("label -1", saved(DIGITS, NINE - 1)),
    tensors("nested labels", saved(DIGITS, NINE[:, None])),
    tensors("of floats", saved(DIGITS.float(), NINE)),
    tensors("sparse", saved(DIGITS.to_sparse(), NINE)),
    tensors("a list", saved([1, 2], [3])),
    tensors(
        "one value a billion times",
        saved(DIGITS[:1, :1, :1, :1].expand(2**30, 28, 28, 3), NINE[:1].expand(2**30)),
    ),
    tensors("packed", squeezed(saved(DIGITS, NINE))),
    tensors("junk", b"PK\x03\x04junk"),
]


def features(
    title: str,
    ending: str,
    content: Content,
    options: Mapping[str, Any] = {},
    data: str = "DomainFeatures",
) -> BadFile:
    """A file of features in the place of a source or a table."""
    name = "bad" + ending
    key = "table" if data == "LabelledTable" else "source"
    options = {key: "{root}/" + name, **options}
    return BadFile(f"{ending} {title}", data, {name: content}, options)


def _cells(depth: int) -> Any:
    cell: Any = np.zeros(1)
    for _ in range(depth):
        outer = np.empty(1, object)
        outer[0] = cell
        cell = outer
    return cell


SVM = "".join(f"{i % 2} 1:1 2:{i}\n" for i in range(12)).encode()
Y2 = np.arange(12) % 2
X2 = np.arange(24.0).reshape(12, 2)
FEATURES = [
    *(
        features(f"is a {kind}", ending, place)
        for ending in (".npz", ".svm", ".h5", ".mat", ".npy")
        for kind, place in ODD_PLACES.items()
    ),
    features("bomb", ".npz", zeros_npz(2**8, 2**10), SMALL),
    features("bomb", ".npz", zeros_npz(2**8, 2**10), SMALL, "LabelledTable"),
    features("promise", ".npz", archive(x=npy_claims((2**30, 2**10)), y=npy(Y2))),
    features("labels of 1 TB", ".npz", archive(x=npy(X2), y=npy_claims((2**37,)))),
    features(
        "names of 1 TB",
        ".npz",
        archive(x=npy(X2), y=npy_claims((12,), "<U100000000")),
    ),
    features("promise", ".npy", npy_claims((2**30, 2**10))),
    features("negative", ".npy", npy_claims((-4, -2))),
    features("of 2^64", ".npy", npy_claims((2**32, 2**32, 2**40))),
    features("deep", ".npy", npy_claims((1,) * 70)),
    features("sparse bomb", ".npz", saved_sparse(2**33, 2, form="csc")),
    features("sparse bomb, coo", ".npz", saved_sparse(2**33, 2)),
    features("sparse rows of 1 TB", ".npz", saved_sparse(2, 2**40), {"dense": True}),
    features("member outside", ".npz", archive(**{"../../x": npy(X2), "y": npy(Y2)})),
    features("promise", ".h5", hdf5(claims("x", (2**30, 2**10)))),
    features("text of 1 TB", ".h5", hdf5(claims("x", (2**30, 2**10), "S8"))),
    features("a type", ".h5", hdf5(lambda f: f.update(x=np.dtype("f8")))),
    features("records", ".h5", hdf5(lambda f: f.update(x=np.zeros(3, "i4,f4")))),
    features("a number", ".h5", hdf5(lambda f: f.update(x=3.0))),
    features(
        "long names",
        ".h5",
        hdf5(
            lambda f: (
                f.update(x=X2.repeat(1000, 0)),
                f.create_dataset(
                    "y",
                    data=["a" * 10**6] + ["b"] * 11_999,
                    dtype=h5py.string_dtype(),
                ),
            )
        ),
    ),
    features(
        "sparse rows of 1 TB",
        ".mat",
        hdf5(
            lambda f: (
                f.update({"fts/jc": [0, 0]}),
                f["fts"].attrs.update(MATLAB_sparse=2**40),
            ),
            512,
        ),
    ),
    features("bomb", ".mat", mat(fts=np.zeros((2**8, 2**10)), labels=Y2), SMALL),
    features(
        "sparse bomb",
        ".mat",
        mat(fts=one_entry(2**31 - 1, 2), labels=Y2),
    ),
    features("nested", ".mat", mat(fts=X2, labels=_cells(50))),
    features("1.5", ".npz", archive(x=npy(X2), y=npy(Y2 + 0.5))),
    features("nested labels", ".npz", archive(x=npy(X2), y=npy(X2))),
    features("of 2^63", ".npz", archive(x=npy(X2), y=npy(Y2.astype("u8") + 2**63))),
    features("column 10^9", ".svm", SVM + b"1 1000000000:1\n", {}, "LabelledTable"),
    features(
        "column 10^9",
        ".svm",
        SVM + b"1 1000000000:1\n",
        {"dense": True, "zero_based": True},
    ),
    features("column 10^30", ".svm", SVM + b"1 1" + b"0" * 30 + b":1\n"),
    features("column -1", ".svm", SVM + b"1 -1:1\n"),
    features("label 1.5", ".svm", SVM + b"1.5 1:1\n"),
    features("label 10^30", ".svm", SVM + b"1" + b"0" * 30 + b" 1:1\n"),
    features("empty", ".svm", b""),
]
OFFICE = [
    BadFile(
        f"office {title}",
        "OfficeCaltech",
        {"office/surf/amazon.mat": mat(fts=np.ones((30, 800)), labels=y)},
    )
    for title, y in (
        ("label 200", np.full(30, 200)),
        ("label 1.5", np.full(30, 1.5)),
        ("label -1", np.full(30, -1)),
        ("nested", np.ones((30, 2))),
    )
]
AMAZON = [
    BadFile(
        f"amazon {title}", "AmazonReviews", {"amazon_reviews/books_train.svmlight": c}
    )
    for title, c in (
        ("label 200", b"200 1:1\n"),
        ("column 5000", b"1 5000:1\n-1 1:1\n"),
        ("NaN", b"1 3:nan\n-1 1:1\n"),
        ("is a pipe", os.mkfifo),
        ("is a device", endless),
    )
]


def citeulike(title: str, file: str, content: Content, **options: Any) -> BadFile:
    return BadFile(
        f"{file} {title}", "CiteULike", {f"citeulike/{file}": content}, options
    )


TAGGED = {"features": "tags", "tag_items": 1}
WORDED = {"features": "words"}
CITEULIKE = [
    *(citeulike(f"is a {k}", "users.dat", place) for k, place in ODD_PLACES.items()),
    citeulike("entry 10^9", "users.dat", b"5 0 1 2 3 1000000000\n"),
    citeulike("entry 10^30", "users.dat", b"5 0 1 2 3 1" + b"0" * 30 + b"\n"),
    citeulike("many digits", "users.dat", b"5 0 1 2 3 " + b"9" * 5000 + b"\n"),
    citeulike("empty", "users.dat", b""),
    citeulike("binary", "users.dat", bytes(range(256))),
    citeulike("entry 10^9", "tag-item.dat", b"1 1000000000\n", **TAGGED),
    citeulike("entry 10^18", "tag-item.dat", b"1 1" + b"0" * 18 + b"\n", **TAGGED),
    citeulike("word 10^9", "mult.dat", b"1 1000000000:1\n", **WORDED),
    citeulike("negative", "mult.dat", b"1 3:-5\n", **WORDED),
    citeulike("zero", "mult.dat", b"1 3:0\n", **WORDED),
    citeulike("NaN", "mult.dat", b"1 3:nan\n", **WORDED),
]


def split_files(title: str, content: Content, file: str = "train.txt") -> BadFile:
    return BadFile(f"{file} {title}", "SplitFiles", {f"split_files/{file}": content})


SPLIT_FILES = [
    *(
        split_files(f"is a {kind}", place, file)
        for file in ("train.txt", "valid.txt")
        for kind, place in ODD_PLACES.items()
    ),
    BadFile(
        "train.txt item 10^9",
        "SplitFiles",
        {"split_files/train.txt": b"0 1000000000\n"},
        says="split_files",
    ),
    split_files("item 10^30", b"0 1" + b"0" * 30 + b"\n"),
    split_files("many digits", b"0 " + b"9" * 5000 + b"\n"),
    split_files("negative", b"0 -1\n"),
    split_files("empty", b""),
    split_files("words", b"user item\n"),
    split_files("1.5", b"0 1.5\n"),
]


def interactions(title: str, file: str, content: Content, **options: Any) -> BadFile:
    return BadFile(
        f"{file} {title}",
        "Interactions",
        {file: content},
        {"path": "{root}/" + file} | options,
    )


RATED = {"rating_column": "r", "rating_threshold": 3}


def ids(title: str, users: Any) -> BadFile:
    return interactions(title, "bad.parquet", parquet(user=users, item=[1, 2]))


def rated(title: str, ratings: Any, file: str = "bad.parquet") -> BadFile:
    frame = pl.DataFrame({"user": [1, 2], "item": [1, 2], "r": ratings})
    file_of = io.BytesIO()
    frame.write_parquet(file_of) if file == "bad.parquet" else frame.write_csv(
        file_of, separator="," if file.endswith("csv") else "\t"
    )
    return interactions(title, file, file_of.getvalue(), **RATED)


NAN = float("nan")
TABLES = [
    *(
        interactions(f"is a {kind}", file, place)
        for file in ("bad.csv", "bad.parquet")
        for kind, place in ODD_PLACES.items()
    ),
    ids("ids of lists", [[1], [2]]),
    ids("ids of arrays", pl.Series([[1], [2]], dtype=pl.Array(pl.Int64, 1))),
    ids("ids of bytes", [b"a", b"b"]),
    ids("ids of durations", [timedelta(1), timedelta(2)]),
    ids("ids of records", [{"a": 1}, {"a": 2}]),
    ids("ids of NaN", [NAN, 1.0]),
    ids("ids of infinity", [float("inf"), 1.0]),
    ids("ids of nothing", [None, None]),
    ids("ids of truth", [True, False]),
    ids("ids of dates", pl.Series([1, 2]).cast(pl.Date)),
    rated("NaN of float64", [NAN, 5.0]),
    rated("NaN of float32", pl.Series([NAN, 5.0], dtype=pl.Float32)),
    rated("NaN as text", ["nan", "5"]),
    rated("infinity", [float("inf"), 5.0]),
    rated("lists", [[5.0], [4.0]]),
    rated("records", [{"a": 5.0}, {"a": 4.0}]),
    rated("bytes", [b"5", b"4"]),
    rated("nulls", [None, 5.0]),
    rated("NaN", ["nan", "5"], "bad.csv"),
    rated("NaN", [NAN, 5.0], "bad.tsv"),
    interactions(
        "bomb",
        "bad.parquet",
        parquet(user=np.ones(10**5), item=np.ones(10**5)),
        **SMALL,
    ),
    interactions(
        "of wide rows",
        "bad.parquet",
        parquet(user=[1, 2], item=[1, 2], x=np.zeros((2, 10**5))),
        **{**SMALL, "features": "{root}/bad.parquet"},
    ),
    interactions("junk", "bad.parquet", b"PAR1junk"),
    interactions("packed", "bad.csv", gzip.compress(b"user,item\n1,2\n")),
    interactions("zeros", "bad.csv", bytes(100)),
    interactions(
        "of items is a pipe",
        "items.csv",
        os.mkfifo,
        path="{root}/interactions.csv",
        features="{root}/items.csv",
    ),
]


def movielens(title: str, file: str, content: Content, **options: Any) -> BadFile:
    return BadFile(
        f"{file} {title}", "MovieLens", {f"movielens/{file}": content}, options
    )


FLAGS = b"|".join([b"0"] * 19)
MOVIELENS = [
    *(movielens(f"is a {k}", "u.data", place) for k, place in ODD_PLACES.items()),
    movielens("NaN", "u.data", b"1\t1\tnan\t9\n1\t2\t4\t9\n", rating_threshold=3),
    movielens("ids of text", "u.data", b"a\t1\t4\t9\n"),
    movielens("ids 1.5", "u.data", b"1.5\t1\t4\t9\n"),
    movielens("ids -1", "u.data", b"-1\t1\t4\t9\n"),
    movielens("movie of an odd number", "u.item", "²|A|||x|".encode() + FLAGS + b"\n"),
    movielens("movie of many digits", "u.item", b"9" * 5000 + b"|A|||x|" + FLAGS),
    movielens("movie 10^30", "u.item", b"1" + b"0" * 30 + b"|A|||x|" + FLAGS),
    movielens("short", "u.item", b"1|A\n"),
    movielens("empty", "u.item", b""),
]

FOLDER = "office_images/amazon/bike/0.jpg"


def image(title: str, content: Content, says: str | None = None) -> BadFile:
    return BadFile(
        f"image {title}",
        "ImageFolder",
        {FOLDER: content},
        {"on_corrupt": "error"},
        says,
    )


FOLDERS = [
    image("bomb", png_claims(13_000, 13_000)),
    image("of Pillow's limit", png_claims(60_000, 60_000)),
    image("strip bomb", png_claims(2**27, 1)),
    image("cut off", encoded("JPEG")[:-99]),
    image("of another domain", b"%PDF"),
    image("empty", b""),
    image("gone", lambda path: path.symlink_to("nowhere.png")),
]
BAD_FILES = [
    *(*MNIST, *CIFAR10, *DIGIT_DOMAINS, *FEATURES, *OFFICE, *AMAZON),
    *(*CITEULIKE, *SPLIT_FILES, *TABLES, *MOVIELENS, *FOLDERS),
]
