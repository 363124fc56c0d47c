"""MNIST and the data sets of the same form, from idx files."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import check_integrity
from typing_extensions import override

from datamodules.readers.images.archives import Archives, ImageFiles, Images, home
from lightning_modules.core.files import check_file
from lightning_modules.core.limits import check_size

SHAPE = (28, 28)
CLASSES = 10
REMEDY = "replace it, or set data.download: true."


class IdxFiles(ImageFiles):
    """The four idx files below ``<root>/<name of the data set>/raw``.

    Each may be unpacked, or packed as ``.gz`` by whomever; the folder may be read-only.

    Args:
        root: Folder above ``MNIST/raw``.
        download: Fetch missing files.
        source: The data set in torchvision.
    """

    def __init__(
        self, root: Path, download: bool, source: type[datasets.MNIST] = datasets.MNIST
    ) -> None:
        self.download, name = download, source.__name__
        files = [(f"{name}/raw/{file}", md5) for file, md5 in source.resources]
        self.archives = Archives(source, root, files, name)

    @override
    def find(self) -> None:
        """Looks for each file, unpacked or packed, then at the network."""
        fault: OSError | ValueError | None = None
        try:
            counts = [self._count(number) for number in range(len(self._paths))]
            for images, labels in ((0, 1), (2, 3)):
                self._check_counts(images, labels, counts[images], counts[labels])
        except ValueError as error:
            fault = error
        missing = [path for path in self._paths if not path.exists()]
        if missing and fault is None:
            fault = FileNotFoundError(
                f"data.root: {self.archives.name} needs {missing[0]}, which does not "
                "exist; put it there, or set data.download: true."
            )
        self.archives.mend(fault, self.download)

    @override
    def read(self) -> tuple[Images, Images]:
        """Training and test images of 1 x 28 x 28."""
        x, y, test_x, test_y = (read_idx(path) for path in self._paths)
        return Images(x[:, None], y.long()), Images(test_x[:, None], test_y.long())

    @property
    def _paths(self) -> list[Path]:
        """Where each file is: unpacked if that is there, else packed."""
        packed = [self.archives.root / name for name, _ in self.archives.files]
        plain = [path.with_suffix("") for path in packed]
        pairs = zip(plain, packed, strict=True)
        return [path if path.exists() else archive for path, archive in pairs]

    def _count(self, number: int) -> int | None:
        """Rows of a file; None if it is missing or known by its md5 sum."""
        path, (_, md5) = self._paths[number], self.archives.files[number]
        is_known = check_integrity(path, md5)
        return len(read_idx(path)) if path.exists() and not is_known else None

    def _check_counts(
        self, images: int, labels: int, n_images: int | None, n_labels: int | None
    ) -> None:
        if None not in (n_images, n_labels) and n_images != n_labels:
            raise ValueError(
                f"data.root: {self._paths[images]} holds {n_images} images but "
                f"{self._paths[labels].name} holds {n_labels} labels; replace both, or "
                "set data.download: true."
            )


def mnist_files(root: Path, download: bool) -> IdxFiles:
    """MNIST below ``<root>/mnist``, or in the root of all data sets itself."""
    return IdxFiles(home(root, "mnist", ["MNIST/raw"]), download)


def read_idx(path: Path) -> Tensor:
    """Grey images (n, 28, 28) or labels (n,) of a file, uint8.

    The header is 0 0 8 and the number of dimensions, then each size as four bytes,
    the largest first; the rest is one byte a value.

    Args:
        path: Packed if it ends in ``.gz``; its name tells images from labels.

    Raises:
        ValueError: It is cut off, damaged, or holds something else.
    """
    check_file(path, f"data.root: {path}")
    with path.open("rb") as file:
        if path.suffix != ".gz":
            return _read(path, file)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(path, unpacked)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"data.root: {path} is cut off or damaged ({error}); {REMEDY}"
            ) from error


def _read(path: Path, file: BinaryIO | gzip.GzipFile) -> Tensor:
    """The values, of which no more are read than the header promises, and one byte."""
    head = file.read(4)
    sizes = file.read(4 * head[3]) if len(head) == 4 else b""
    if head[:3] != b"\0\0\x08" or len(sizes) < 4 * head[-1]:
        raise _other(path, "its header is another")
    shape = struct.unpack(f">{head[3]}I", sizes)
    _check_shape(path, shape)
    n = math.prod(shape)
    check_size(n, path, f"data.root: {path}")
    content = file.read(n + 1)
    if len(content) != n:
        held = "more" if len(content) > n else str(len(content))
        raise _other(path, f"{held} bytes where its header promises {n}")
    values = np.frombuffer(content, np.uint8).reshape(shape)
    _check_labels(path, values)
    return torch.from_numpy(values.copy())


def _other(path: Path, why: str) -> ValueError:
    return ValueError(
        f"data.root: {path} is cut off or not an idx file of bytes ({why}); {REMEDY}"
    )


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    is_image = "-images-" in path.name
    if not shape or not shape[0] or shape[1:] != (SHAPE if is_image else ()):
        form = "grey images (n, 28, 28)" if is_image else "labels (n,)"
        held = f"shape {shape}" if len(shape) < 5 else f"{len(shape)} dimensions"
        raise ValueError(
            f"data.root: {path} holds bytes of {held} in the place of {form}; {REMEDY}"
        )


def _check_labels(path: Path, values: np.ndarray) -> None:
    if values.ndim == 1 and values.max() >= CLASSES:
        raise ValueError(
            f"data.root: {path} has the label {values.max()}, which is none of 0 to 9; "
            f"{REMEDY}"
        )
