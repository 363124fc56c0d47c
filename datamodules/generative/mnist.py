"""MNIST and the data sets of the same form."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F
from torchvision import datasets
from typing_extensions import override

from datamodules.core.hold_out import hold_out_last
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.idx import IdxFiles
from lightning_modules.core.validation import check_at_least, check_choice


class MNIST(InMemoryDataModule):
    """Handwritten digits: (x, y) of float32 (n, 1, size, size) and int64 (n,).

    Reads the four idx files below ``<root>/MNIST/raw``, unpacked or as ``.gz``, see
    `IdxFiles`. 60,000 training and 10,000 test images; the last ``n_val`` training
    images serve for validation.

    Args:
        root: Folder above ``MNIST/raw``.
        image_size: 28, or 32 for networks that halve the size five times: the
            images then get a black border of two pixels.
        n_val: Training images kept for validation. With 0 all 60,000 are trained on
            and serve for validation too.
        download: Fetch missing files, about 12 MB.
        **options: Options of `InMemoryDataModule`.

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
        n_val: int = 5_000,
        download: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(0, "data.", n_val=n_val)
        check_choice("data.image_size", str(image_size), ("28", "32"))
        self.n_val, self.image_size = n_val, image_size
        self.shape = (1, image_size, image_size)
        self.files = IdxFiles(Path(root).expanduser(), download, self.source)

    @override
    def find(self) -> None:
        self.files.find()

    @override
    def read(self) -> Splits:
        """Both parts, padded to the size that is asked for."""
        train, test = (self._padded(part) for part in self.files.read())
        return *hold_out_last(train, self.n_val), test

    def _padded(self, part: LabelledRows[Tensor]) -> LabelledRows[Tensor]:
        border = (self.image_size - 28) // 2
        return LabelledRows(F.pad(part.x, [border] * 4), part.y)


class FashionMNIST(MNIST):
    """Images of clothes in the form of MNIST, below ``<root>/FashionMNIST/raw``.

    Ten classes: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag,
    ankle boot. Everything else is as for `MNIST`; the download is about 31 MB.

    References:
        arXiv:1708.07747.
    """

    source = datasets.FashionMNIST
