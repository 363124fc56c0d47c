"""MNIST, Fashion-MNIST and CIFAR-10."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F
from torchvision import datasets
from torchvision.transforms.v2.functional import resize
from typing_extensions import override

from datamodules.core.hold_out import hold_out_last
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.archives import ImageFiles
from datamodules.readers.images.cifar10 import CIFAR10Files
from datamodules.readers.images.idx import IdxFiles
from lightning_modules.core.validation import check_at_least, check_choice


class SmallImages(InMemoryDataModule):
    """Images of ten classes: (x, y) of float32 (n, channels, size, size), int64 (n,).

    The last ``n_val`` training images serve for validation.

    Args:
        root: Folder with the files; of MNIST the one above ``MNIST/raw``.
        image_size: Height and width of the images. MNIST has 28; 32 is for networks
            that halve the size five times, and adds a black border of two pixels.
        n_val: Training images kept for validation. With 0 all are trained on and
            serve for validation too.
        download: Fetch missing files: about 12 MB for MNIST, 31 for FashionMNIST, 170
            for CIFAR10.
        **options: Options of `InMemoryDataModule`.

    Raises:
        FileNotFoundError: A file is missing and ``download`` is false.
        ValueError: A file is cut off or damaged, or a number is out of its range.
        ConnectionError: The download failed.
    """

    num_classes = 10
    channels: ClassVar[int]

    def __init__(
        self,
        root: str = "data",
        image_size: Literal[28, 32] = 28,
        *,
        n_val: int = 5_000,
        download: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(0, "data.", n_val=n_val)
        check_choice("data.image_size", str(image_size), ("28", "32"))
        self.n_val, self.image_size = n_val, image_size
        self.shape = (self.channels, image_size, image_size)
        self.root = Path(root).expanduser()
        self.files = self.files_in(self.root, download)

    @abstractmethod
    def files_in(self, root: Path, download: bool) -> ImageFiles:
        """The files of the data set, see the arguments of the class."""

    @abstractmethod
    def sized(self, x: Tensor) -> Tensor:
        """The images of the files, brought to the size that is asked for."""

    @override
    def find(self) -> None:
        self.files.find()

    @override
    def read(self) -> Splits:
        train, test = (LabelledRows(self.sized(x), y) for x, y in self.files.read())
        return *hold_out_last(train, self.n_val), test


class MNIST(SmallImages):
    """Handwritten digits: x is float32 (n, 1, size, size).

    Reads the four idx files below ``<root>/MNIST/raw``, unpacked or as ``.gz``, see
    `IdxFiles`. 60,000 training and 10,000 test images of 28 x 28. The arguments are
    those of `SmallImages`.
    """

    source: ClassVar[type[datasets.MNIST]] = datasets.MNIST
    channels = 1

    @override
    def files_in(self, root: Path, download: bool) -> ImageFiles:
        return IdxFiles(root, download, self.source)

    @override
    def sized(self, x: Tensor) -> Tensor:
        return F.pad(x, [(self.image_size - 28) // 2] * 4)


class FashionMNIST(MNIST):
    """Images of clothes in the form of MNIST, below ``<root>/FashionMNIST/raw``.

    Ten classes: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag,
    ankle boot. Everything else is as for `MNIST`.

    References:
        arXiv:1708.07747.
    """

    source = datasets.FashionMNIST


class CIFAR10(SmallImages):
    """Small colour photographs: x is float32 (n, 3, size, size).

    Looks in ``root`` for, in this order: PNG strips (``labels.json`` beside
    ``cifar10_batch_<i>.png``: row r of strip i is image 1000 i + r, its 1024 RGB
    pixels line by line; strips from 50 on are the test set, and any number of strips
    will do), the folder ``cifar-10-batches-py``, the archive
    ``cifar-10-python.tar.gz``. The last two are checked by md5 sum. 50,000 training
    and 10,000 test images of 32 x 32.

    Args:
        root: Folder with the files.
        image_size: 32, or 28 (resized, with anti-aliasing).
        **options: Other options of `SmallImages`.
    """

    channels = 3

    def __init__(
        self, root: str = "data", image_size: Literal[28, 32] = 32, **options: Any
    ) -> None:
        super().__init__(root, image_size, **options)

    @override
    def files_in(self, root: Path, download: bool) -> ImageFiles:
        return CIFAR10Files(root, download)

    @override
    def sized(self, x: Tensor) -> Tensor:
        return x if self.image_size == 32 else resize(x, [self.image_size] * 2)
