"""MNIST-M: digits of MNIST blended with patches of colour photographs."""

import os
import pickle
from pathlib import Path
from zipfile import is_zipfile

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.readers.images.archives import ImageFiles, Images
from datamodules.readers.images.decode import decode_whole
from lightning_modules.core.files import check_file, damage, readable
from lightning_modules.core.limits import check_size

FOLDERS = ("mnist_m", "MNIST-M/processed", ".")
LABELS = tuple("0123456789")
LISTS, TENSORS = "_labels.txt", ".pt"
SIZE = 32
NO_TENSORS = (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError)


class MNISTMFiles(ImageFiles):
    """Images with lists of labels, or tensors, below ``<root>/mnist_m``.

    The form of its authors: folders ``mnist_m_train`` and ``mnist_m_test`` of images
    of 32 x 32, beside ``mnist_m_train_labels.txt`` and ``mnist_m_test_labels.txt``,
    whose lines are a file name and its label. The other common form: two tensors,
    uint8 (n, 28, 28, 3) and labels (n,), saved by torch as ``mnist_m_train.pt`` and
    ``mnist_m_test.pt``, also in ``<root>/MNIST-M/processed``; they are loaded as
    tensors only, no code in them is run. There is no download.

    Args:
        root: Folder of all data sets; files directly in it are read too.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.ending = root, root, ""

    @override
    def find(self) -> None:
        for folder in (self.root / name for name in FOLDERS):
            for ending in (LISTS, TENSORS):
                names = [f"mnist_m_{part}{ending}" for part in ("train", "test")]
                if all((folder / name).exists() for name in names):
                    self.folder, self.ending = folder, ending
                    return
        raise FileNotFoundError(
            f"data.root: MNIST-M needs {self.root}/mnist_m with "
            "mnist_m_train_labels.txt and mnist_m_test_labels.txt beside the folders "
            "mnist_m_train and mnist_m_test, or with mnist_m_train.pt and "
            "mnist_m_test.pt; put them there (it cannot be downloaded)."
        )

    @override
    def read(self) -> tuple[Images, Images]:
        """Images of 3 x 32 x 32 or 3 x 28 x 28."""
        read = read_tensors if self.ending == TENSORS else read_list
        train, test = (
            read(self.folder / f"mnist_m_{part}{self.ending}")
            for part in ("train", "test")
        )
        return train, test


def read_tensors(path: Path) -> Images:
    """Images and labels that torch saved as a pair of tensors.

    Raises:
        ValueError: The file is cut off or holds something else.
    """
    check_file(path, f"data.root: {path}")
    if is_zipfile(path) and damage(path):
        raise _no_tensors(path)
    try:
        x, y = torch.load(path, map_location="cpu", weights_only=True)
        fits = x.dtype == torch.uint8 and x.shape == (len(y), *x.shape[1:3], 3)
        fits &= x.layout == y.layout == torch.strided and not y.is_floating_point()
    except (*NO_TENSORS, TypeError, AttributeError) as error:
        raise _no_tensors(path) from error
    if not fits or y.shape != (len(x),):
        raise _no_tensors(path)
    check_size(x.numel(), path, f"data.root: {path}")  # one value may be repeated
    return Images(x.permute(0, 3, 1, 2).contiguous(), _checked(path, y.long()))


def _no_tensors(path: Path) -> ValueError:
    return ValueError(
        f"data.root: {path} is cut off or not a pair of tensors, uint8 (n, 28, 28, 3) "
        "and labels (n,); replace it."
    )


def read_list(path: Path) -> Images:
    """Images that a list names, line by line, with their labels.

    Raises:
        ValueError: A line is something else, or images are missing or damaged.
    """
    check_file(path, f"data.root: {path}")
    folder = path.with_name(path.name.removesuffix(LISTS))
    files, labels = [], []
    text = path.read_text("utf-8-sig", errors="surrogateescape")
    for number, line in enumerate(text.splitlines(), 1):
        name, _, label = line.rpartition(" ")
        if not name or label not in LABELS:
            raise ValueError(
                f"data.root: line {number} of {path} is not a file name and a label "
                "from 0 to 9; replace it."
            )
        if not is_below(folder, name):
            raise ValueError(
                f"data.root: line {number} of {path} names {readable(name)}, which is "
                f"not in {folder}; replace it."
            )
        files.append(folder / name)
        labels.append(int(label))
    y = _checked(path, torch.tensor(labels, dtype=torch.int64))
    fault = "images of MNIST-M are missing or damaged"
    return Images(decode_whole(files, 3, SIZE, fault, f"replace {folder}"), y)


def is_below(folder: Path, name: str) -> bool:
    """Whether a name leads to a file in a folder, as it is written.

    >>> [is_below(Path("a"), name) for name in ("1.png", "b/1.png", "../1.png", "/1")]
    [True, True, False, False]
    """
    return Path(os.path.normpath(folder / name)).is_relative_to(folder)


def _checked(path: Path, labels: Tensor) -> Tensor:
    if len(labels) and labels.min() >= 0 and labels.max() <= 9:
        return labels
    raise ValueError(f"data.root: {path} has no labels from 0 to 9; replace it.")
