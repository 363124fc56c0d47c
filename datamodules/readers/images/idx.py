"""MNIST and the data sets of the same form, from idx files."""

import math
import struct
from contextlib import nullcontext
from pathlib import Path

from torchvision import datasets

from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.archives import download_if, first_fault, unpacked
from datamodules.readers.images.digit_files import DigitParts


class IdxFiles:
    """The four idx files below ``<root>/<name of the data set>/raw``.

    They may be unpacked, or packed as ``.gz``; those are checked by md5 sum and
    unpacked elsewhere, so that the folder may be read-only.

    Args:
        root: Folder above ``MNIST/raw``.
        download: Fetch missing files.
        source: The data set in torchvision.

    Raises:
        FileNotFoundError: A file is missing and ``download`` is false.
        ValueError: A file is cut off or damaged.
        ConnectionError: The download failed.
    """

    def __init__(
        self,
        root: Path,
        download: bool,
        source: type[datasets.MNIST] = datasets.MNIST,
    ) -> None:
        self.root, self.download, self.source = root, download, source
        folder = f"{source.__name__}/raw"
        self.archives = [(f"{folder}/{name}", md5) for name, md5 in source.resources]
        self.raw = [root / name.removesuffix(".gz") for name, _ in self.archives]

    def find(self) -> None:
        """Looks for unpacked files, then for archives, then at the network."""
        fault: OSError | ValueError | None
        if self._is_unpacked:
            fault = idx_fault(*self.raw[:2]) or idx_fault(*self.raw[2:])
        else:
            fault = first_fault(self.root, self.archives, self.source.__name__)
        download_if(self.download, fault, self.source, self.root, self.archives)

    def read(self) -> DigitParts:
        """Training and test images of 1 x 28 x 28, through torchvision."""
        with (
            nullcontext(self.root)
            if self._is_unpacked
            else unpacked(self.source, self.root, self.archives)
        ) as root:
            parts = [self.source(root, train=train) for train in (True, False)]
        train, test = (LabelledRows(p.data[:, None], p.targets) for p in parts)
        return train, test

    @property
    def _is_unpacked(self) -> bool:
        return all(path.exists() for path in self.raw)


def idx_fault(images: Path, labels: Path) -> ValueError | None:
    """What is wrong with a pair of unpacked idx files, or None.

    The header is 0 0 8 and the number of dimensions, then each size as four bytes,
    the largest first; the rest is one byte a value.
    """
    sizes = []
    for path in (images, labels):
        with path.open("rb") as file:
            head = file.read(4).ljust(4, b"\0")
            shape = struct.unpack(
                f">{head[3]}I", file.read(4 * head[3]).ljust(4 * head[3], b"\0")
            )
        expected = 4 + 4 * len(shape) + math.prod(shape)
        if head[:3] != b"\0\0\x08" or path.stat().st_size != expected:
            return ValueError(
                f"data.root: {path} is cut off or not an idx file of bytes "
                f"({path.stat().st_size} bytes where its header promises {expected}); "
                "replace it, or set data.download: true."
            )
        sizes.append(shape[0])
    if sizes[0] != sizes[1]:
        return ValueError(
            f"data.root: {images} holds {sizes[0]} images but {labels.name} holds "
            f"{sizes[1]} labels; replace both, or set data.download: true."
        )
    return None
