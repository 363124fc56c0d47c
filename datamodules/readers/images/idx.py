"""MNIST and the data sets of the same form, from idx files."""

import math
import struct
from pathlib import Path

from torchvision import datasets
from typing_extensions import override

from datamodules.readers.images.archives import Archives, ImageFiles, Images


class IdxFiles(ImageFiles):
    """The four idx files below ``<root>/<name of the data set>/raw``.

    They may be unpacked, or packed as ``.gz``; those are checked by md5 sum and
    unpacked elsewhere, so that the folder may be read-only.

    Args:
        root: Folder above ``MNIST/raw``.
        download: Fetch missing files.
        source: The data set in torchvision.
    """

    def __init__(
        self, root: Path, download: bool, source: type[datasets.MNIST] = datasets.MNIST
    ) -> None:
        self.download, self.source = download, source
        name = source.__name__
        files = [(f"{name}/raw/{file}", md5) for file, md5 in source.resources]
        self.archives = Archives(source, root, files, name)
        self.raw = [root / file.removesuffix(".gz") for file, _ in files]

    @override
    def find(self) -> None:
        """Looks for unpacked files, then for archives, then at the network."""
        fault: OSError | ValueError | None
        if self._is_unpacked:
            fault = idx_fault(*self.raw[:2]) or idx_fault(*self.raw[2:])
        else:
            fault = self.archives.fault()
        self.archives.mend(fault, self.download)

    @override
    def read(self) -> tuple[Images, Images]:
        """Training and test images of 1 x 28 x 28, through torchvision."""
        with self.archives.contents(not self._is_unpacked) as root:
            parts = [self.source(root, train=train) for train in (True, False)]
        train, test = (Images(part.data[:, None], part.targets) for part in parts)
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
