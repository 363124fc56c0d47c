"""CIFAR-10 from the pickled batches or from strips of PNG."""

import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torchvision import datasets
from torchvision.transforms.v2.functional import resize
from typing_extensions import override

from datamodules.core.hold_out import hold_out_last
from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.archives import download_if, first_fault, unpacked
from datamodules.readers.images.png_strips import LABELS, channels_first, read_strips
from lightning_modules.core.validation import check_at_least, check_choice


class CIFAR10(InMemoryDataModule):
    """Small colour photographs: (x, y) of float32 (n, 3, size, size), int64 (n,).

    Looks in ``root`` for, in this order: PNG strips (``labels.json`` beside
    ``cifar10_batch_<i>.png``: row r of strip i is image 1000 i + r, its 1024 RGB
    pixels line by line; strips from 50 on are the test set, and any number of strips
    will do), the folder ``cifar-10-batches-py``, the archive
    ``cifar-10-python.tar.gz``. The last two are checked by md5 sum. 50,000 training
    and 10,000 test images; the last ``n_val`` training images serve for validation.

    Args:
        root: Folder with the files.
        image_size: 32, or 28 (resized, with anti-aliasing).
        n_val: Training images kept for validation. With 0 all are trained on and
            serve for validation too.
        download: Fetch missing files, about 170 MB.
        **options: Options of `InMemoryDataModule`.

    Raises:
        FileNotFoundError: A file is missing and ``download`` is false.
        ValueError: A file is cut off or damaged, or a number is out of its range.
        ConnectionError: The download failed.
    """

    num_classes = 10

    def __init__(
        self,
        root: str = "data",
        image_size: Literal[28, 32] = 32,
        n_val: int = 5_000,
        download: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(0, "data.", n_val=n_val)
        check_choice("data.image_size", str(image_size), ("28", "32"))
        self.root, self.n_val, self.download = Path(root).expanduser(), n_val, download
        self.image_size = image_size
        self.shape = (3, image_size, image_size)
        source = datasets.CIFAR10
        listed = [*source.train_list, *source.test_list]
        listed += [[source.meta["filename"], source.meta["md5"]]]
        self.pickles = [(f"{source.base_folder}/{name}", md5) for name, md5 in listed]
        self.archive = [(source.filename, source.tgz_md5)]
        self.packed = False

    @override
    def find(self) -> None:
        """Looks for strips, pickled batches, the archive, then at the network."""
        if self._has_strips:
            return
        what = "CIFAR10 (without labels.json)"
        fault = first_fault(self.root, self.pickles, what)
        self.packed = fault is not None
        if fault is None:
            return
        packed_fault = first_fault(self.root, self.archive, what)
        if packed_fault is None:
            return
        worse = packed_fault if isinstance(packed_fault, ValueError) else fault
        source = datasets.CIFAR10
        download_if(self.download, worse, source, self.root, self.archive)
        self.packed = False

    @override
    def read(self) -> Splits:
        """Training and test images, resized if that was asked for."""
        train, test = read_strips(self.root) if self._has_strips else self._batches()
        train, test = self._resized(train), self._resized(test)
        return *hold_out_last(train, self.n_val), test

    @property
    def _has_strips(self) -> bool:
        return (self.root / LABELS).exists()

    def _batches(self) -> list[LabelledRows[Tensor]]:
        with (
            (
                nullcontext(self.root)
                if not self.packed
                else unpacked(datasets.CIFAR10, self.root, self.archive)
            ) as root,
            warnings.catch_warnings(),
        ):
            # NumPy 2.4.0 to 2.4.4 warns about pickles as old as these
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be")
            parts = [datasets.CIFAR10(root, train=train) for train in (True, False)]
        return [channels_first(part.data, part.targets) for part in parts]

    def _resized(self, pairs: LabelledRows[Tensor]) -> LabelledRows[Tensor]:
        if self.image_size == pairs.x.shape[-1]:
            return pairs
        return LabelledRows(resize(pairs.x, [self.image_size] * 2), pairs.y)
