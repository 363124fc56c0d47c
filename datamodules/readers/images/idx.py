"""MNIST and the data sets of the same form, from idx files."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import check_integrity
from typing_extensions import override

from datamodules.readers.images.archives import Archives, ImageFiles, Images

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


def read_idx(path: Path) -> Tensor:
    """Grey images (n, 28, 28) or labels (n,) of a file, uint8.

    The header is 0 0 8 and the number of dimensions, then each size as four bytes,
    the largest first; the rest is one byte a value.

    Args:
        path: Packed if it ends in ``.gz``; its name tells images from labels.

    Raises:
        ValueError: It is cut off, damaged, or holds something else.
    """
    content = _unpacked(path)
    head = content[:4].ljust(4, b"\0")
    sizes = content[4 : 4 + 4 * head[3]].ljust(4 * head[3], b"\0")
    shape = struct.unpack(f">{head[3]}I", sizes)
    expected = 4 + len(sizes) + math.prod(shape)
    if head[:3] != b"\0\0\x08" or len(content) != expected:
        raise ValueError(
            f"data.root: {path} is cut off or not an idx file of bytes "
            f"({len(content)} bytes where its header promises {expected}); {REMEDY}"
        )
    values = np.frombuffer(content, np.uint8, offset=4 + len(sizes)).reshape(shape)
    _check_values(path, values)
    return torch.from_numpy(values.copy())


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"data.root: {path} is cut off or damaged ({error}); {REMEDY}"
        ) from error


def _check_values(path: Path, values: np.ndarray) -> None:
    is_image = "-images-" in path.name
    if values.shape[1:] != (SHAPE if is_image else ()):
        form = "grey images (n, 28, 28)" if is_image else "labels (n,)"
        raise ValueError(
            f"data.root: {path} holds bytes of shape {values.shape} in the place of "
            f"{form}; {REMEDY}"
        )
    if not is_image and values.max(initial=0) >= CLASSES:
        raise ValueError(
            f"data.root: {path} has the label {values.max()}, which is none of 0 to 9; "
            f"{REMEDY}"
        )
