"""CIFAR-10 from the pickled batches or from strips of PNG."""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import datasets
from typing_extensions import override

from datamodules.readers.images.archives import Archives, ImageFiles, Images
from datamodules.readers.images.decode import FORMATS, NOT_AN_IMAGE
from lightning_modules.core.files import check_file
from lightning_modules.core.limits import TooLargeError, check_size

LABELS = "labels.json"
CLASSES = 10
FIRST_TEST_STRIP = 50
ROWS_OF_A_STRIP = 1_000


class CIFAR10Files(ImageFiles):
    """PNG strips, the folder ``cifar-10-batches-py``, or its archive, in this order.

    In a strip one row of pixels is one image. The others are checked by md5 sum.

    Args:
        root: Folder with the files.
        download: Fetch missing files, about 170 MB.
    """

    def __init__(self, root: Path, download: bool) -> None:
        source, name = datasets.CIFAR10, "CIFAR10 (without labels.json)"
        listed = [*source.train_list, *source.test_list]
        listed += [[source.meta["filename"], source.meta["md5"]]]
        pickles = [(f"{source.base_folder}/{file}", md5) for file, md5 in listed]
        self.pickles = Archives(source, root, pickles, name)
        archive = [(source.filename, source.tgz_md5)]
        self.archive = Archives(source, root, archive, name)
        self.root, self.download, self.is_packed = root, download, False

    @override
    def find(self) -> None:
        """Looks for strips, pickled batches, the archive, then at the network."""
        if self._has_strips:
            return
        fault = self.pickles.fault()
        packed_fault = self.archive.fault() if fault else None
        self.is_packed = fault is not None and packed_fault is None
        if packed_fault is not None:
            worse = packed_fault if isinstance(packed_fault, ValueError) else fault
            self.archive.mend(worse, self.download)

    @override
    def read(self) -> tuple[Images, Images]:
        """Training and test images of 3 x 32 x 32."""
        if self._has_strips:
            return read_strips(self.root)
        with self.archive.contents(self.is_packed) as root, warnings.catch_warnings():
            # NumPy 2.4.0 to 2.4.4 warns about pickles as old as these
            warnings.filterwarnings("ignore", message=r"dtype\(\): align should be")
            parts = [datasets.CIFAR10(root, train=train) for train in (True, False)]
        train, test = (_channels_first(part.data, part.targets) for part in parts)
        return train, test

    @property
    def _has_strips(self) -> bool:
        return (self.root / LABELS).exists()


def read_strips(root: Path) -> tuple[Images, Images]:
    """Training and test images of a folder with ``labels.json`` and PNG strips.

    Raises:
        FileNotFoundError: There is no strip for one of the two.
        ValueError: A file is cut off or damaged.
    """
    labels = _labels(root / LABELS)
    names = [path.stem for path in root.glob("cifar10_batch_*.png")]
    endings = [name.removeprefix("cifar10_batch_") for name in names]
    numbers = sorted(int(ending) for ending in endings if ending.isdecimal())
    train = [number for number in numbers if number < FIRST_TEST_STRIP]
    test = numbers[len(train) :]
    if not train or not test:
        raise FileNotFoundError(
            f"data.root: {root} has labels.json but no "
            f"cifar10_batch_{0 if not train else FIRST_TEST_STRIP}.png; put the "
            "strips there, or remove labels.json."
        )
    return _joined(root, train, labels), _joined(root, test, labels)


def _labels(path: Path) -> NDArray[np.int64]:
    """The list of labels, of all strips one after another."""
    check_file(path, f"data.root: {path}")
    why = "something else is in it"
    try:
        labels = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        labels, why = None, str(error)
    if isinstance(labels, list) and all(isinstance(y, int | float) for y in labels):
        odd = next((y for y in labels if y not in range(CLASSES)), None)
        if odd is None:
            return np.array(labels, np.int64)
        why = f"the label {str(odd)[:9]} is in it"
    raise ValueError(
        f"data.root: {path} is not a list of whole numbers from 0 to 9 ({why}); "
        "replace it."
    )


def _joined(root: Path, numbers: list[int], labels: np.ndarray) -> Images:
    images, targets = [], []
    for number in numbers:
        path = root / f"cifar10_batch_{number}.png"
        images.append(_strip(path))
        first = ROWS_OF_A_STRIP * number
        targets.append(labels[first : first + len(images[-1])])
        if len(targets[-1]) < len(images[-1]):
            raise ValueError(
                f"data.root: {root / LABELS} has {len(labels)} labels, too few for "
                f"{path.name}; replace it."
            )
    return _channels_first(np.concatenate(images), np.concatenate(targets))


def _strip(path: Path) -> np.ndarray:
    """The images of one strip, uint8 (n, 32, 32, 3)."""
    check_file(path, f"data.root: {path}")
    try:
        with Image.open(path, formats=FORMATS) as file:
            if file.width == 32 * 32:
                check_size(3 * file.width * file.height, path, f"data.root: {path}")
                return np.asarray(file.convert("RGB")).reshape(-1, 32, 32, 3)
            width = file.width
    except TooLargeError:
        raise
    except NOT_AN_IMAGE as error:
        raise ValueError(
            f"data.root: {path} is cut off or not an image ({error}); replace it."
        ) from error
    raise ValueError(
        f"data.root: {path} is {width} pixels wide, but the rows of a strip are images "
        "of 32 x 32 = 1024 pixels; replace it."
    )


def _channels_first(images: np.ndarray, labels: "np.ndarray | list[int]") -> Images:
    """Images (n, 32, 32, 3) the way models take them, (n, 3, 32, 32)."""
    x: Tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return Images(x, torch.as_tensor(labels, dtype=torch.int64))
