"""MNIST and the data sets of the same form."""

import math
import struct
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar, Literal

from torch.nn import functional as F
from torchvision import datasets

from datamodules.core.arguments import at_least
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.tensor_dataset import TensorPairs, hold_out_last
from datamodules.readers.images.archives import download, first_fault, unpacked


class MNIST(InMemoryDataModule):
    """Handwritten digits: (x, y) of float32 (n, 1, size, size) and int64 (n,).

    Reads the four idx files below ``<root>/MNIST/raw``, unpacked or as ``.gz`` (those
    are checked by md5 sum and unpacked elsewhere, so that the folder may be
    read-only). 60,000 training and 10,000 test pictures; the last ``n_val`` training
    pictures serve for validation.

    Args:
        root: Folder above ``MNIST/raw``.
        image_size: 28, or 32 for networks that halve the size five times: the
            pictures then get a black border of two pixels.
        batch_size: Pictures in a batch of one process.
        n_val: Training pictures kept for validation. With 0 all 60,000 are trained on
            and serve for validation too.
        download: Fetch missing files, about 12 MB.
        flip: Mirror each training picture left to right with probability 1/2.
        num_workers: Worker processes that slice batches; 0 is fastest for data in
            memory, and the batches are the same for any number.
        seed: Seed of the order of the training pictures.
        n_predict: How many samples ``predict`` draws.

    Raises:
        FileNotFoundError: A file is missing and ``download`` is false.
        ValueError: A file is cut off or damaged, or a number is out of its range.
        ConnectionError: The download failed.
    """

    source: ClassVar[type[datasets.MNIST]] = datasets.MNIST
    num_classes = 10

    def __init__(
        self,
        root: str = "data",
        image_size: Literal[28, 32] = 28,
        batch_size: int = 64,
        n_val: int = 5_000,
        download: bool = False,
        flip: bool = False,
        num_workers: int = 0,
        seed: int = 0,
        n_predict: int = 64,
    ) -> None:
        super().__init__(batch_size, num_workers, seed, n_predict, flip)
        at_least("n_val", n_val, 0)
        if image_size not in (28, 32):
            raise ValueError(f"data.image_size is {image_size}; use 28 or 32.")
        self.root, self.n_val, self.download = Path(root).expanduser(), n_val, download
        self.image_size = image_size
        self.shape = (1, image_size, image_size)
        folder = f"{self.source.__name__}/raw"
        self.archives = [
            (f"{folder}/{name}", md5) for name, md5 in self.source.resources
        ]
        self.raw = [self.root / name.removesuffix(".gz") for name, _ in self.archives]

    def find(self) -> None:
        """Looks for unpacked files, then for archives, then at the network."""
        fault: OSError | ValueError | None
        if self._is_unpacked:
            fault = idx_fault(*self.raw[:2]) or idx_fault(*self.raw[2:])
        else:
            fault = first_fault(self.root, self.archives, type(self).__name__)
        if fault and not self.download:
            raise fault
        if fault:
            download(self.source, self.root, self.archives, fault)

    def read(self) -> Splits:
        """Both parts through torchvision, padded to the wanted size."""
        with (
            nullcontext(self.root)
            if self._is_unpacked
            else unpacked(self.source, self.root, self.archives)
        ) as root:
            train, test = (
                self._pairs(self.source(root, train=t)) for t in (True, False)
            )
        return *hold_out_last(train, self.n_val), test

    def _pairs(self, pictures: datasets.MNIST) -> TensorPairs:
        border = (self.image_size - 28) // 2
        return TensorPairs(
            F.pad(pictures.data, [border] * 4)[:, None], pictures.targets
        )

    @property
    def _is_unpacked(self) -> bool:
        return all(path.exists() for path in self.raw)


class FashionMNIST(MNIST):
    """Pictures of clothes in the form of MNIST, below ``<root>/FashionMNIST/raw``.

    Ten classes: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag,
    ankle boot. Everything else is as for `MNIST`; the download is about 31 MB.

    References:
        arXiv:1708.07747.
    """

    source = datasets.FashionMNIST


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
                f"data.root: {path} is cut off or no idx file of bytes "
                f"({path.stat().st_size} bytes where its header promises {expected}); "
                "replace it, or set data.download: true."
            )
        sizes.append(shape[0])
    if sizes[0] != sizes[1]:
        return ValueError(
            f"data.root: {images} holds {sizes[0]} pictures but {labels.name} holds "
            f"{sizes[1]} labels; replace both, or set data.download: true."
        )
    return None
