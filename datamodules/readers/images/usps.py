"""USPS: postal digits of 16 x 16 pixels, from either of the two file formats."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor
from torchvision import datasets

from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.archives import download_if, first_fault
from datamodules.readers.images.digit_files import DigitParts, home

HDF5 = "usps.h5"
SIZE = 16


class USPSFiles:
    """``usps.h5``, or ``usps.bz2`` and ``usps.t.bz2``, below ``<root>/usps``.

    The formats hold the same digits with different pixels (those of the libsvm files
    are smoothed), so that both parts come from one of them: from ``usps.h5`` if it is
    there, else from the pair of libsvm files, which are checked by md5 sum.

    Args:
        root: Folder of all data sets; files directly in it are taken too.
        download: Fetch the libsvm files, about 9 MB, if nothing is there.

    Raises:
        FileNotFoundError: A file is missing and ``download`` is false.
        ValueError: A file is cut off or damaged.
        ConnectionError: The download failed.
    """

    def __init__(self, root: Path, download: bool) -> None:
        self.archives = [
            (name, md5) for _, name, md5 in datasets.USPS.split_list.values()
        ]
        names = [name for name, _ in self.archives]
        self.root = home(root, "usps", [HDF5, *names])
        self.download = download

    def find(self) -> None:
        """Looks for ``usps.h5``, then for both libsvm files, then at the network."""
        if (self.root / HDF5).exists():
            return
        fault = first_fault(self.root, self.archives, "USPS")
        if isinstance(fault, FileNotFoundError):
            names = " and ".join(name for name, _ in self.archives)
            fault = FileNotFoundError(
                f"data.root: USPS needs {self.root / HDF5}, or {names} beside each "
                "other there; put them there, or set data.download: true."
            )
        download_if(self.download, fault, _both, self.root, self.archives)

    def read(self) -> DigitParts:
        """7,291 and 2,007 images of 1 x 16 x 16."""
        if (self.root / HDF5).exists():
            return read_hdf5(self.root / HDF5)
        train, test = (
            LabelledRows(
                torch.from_numpy(part.data)[:, None], torch.tensor(part.targets)
            )
            for part in _both(self.root)
        )
        return train, test


def _both(root: Path, download: bool = False) -> list[Any]:
    return [datasets.USPS(root, train, download=download) for train in (True, False)]


def read_hdf5(path: Path) -> DigitParts:
    """Training and test digits of a file with ``<part>/data`` and ``<part>/target``.

    ``data`` is (n, 256) or (n, 16, 16) of numbers from 0 to 1, which become bytes;
    ``target`` is (n,) of labels from 0 to 9.

    Raises:
        ValueError: The file is cut off or holds something else.
    """
    try:
        with h5py.File(path, "r") as file:
            train, test = (
                _pairs(file[f"{part}/data"][()], file[f"{part}/target"][()])
                for part in ("train", "test")
            )
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"data.root: {path} is cut off or does not hold USPS as data and target "
            f"in train and test ({' '.join(str(error).split())}); replace it."
        ) from error
    return train, test


def _pairs(ink: np.ndarray, labels: np.ndarray) -> LabelledRows[Tensor]:
    images = ink.reshape(len(labels), 1, SIZE, SIZE)
    if not (ink.min() >= 0 and ink.max() <= 1):
        raise ValueError("pixels are not all between 0 and 1")
    if not (labels.min() >= 0 and labels.max() <= 9):
        raise ValueError("labels are not all between 0 and 9")
    bytes_ = torch.from_numpy(np.rint(255 * images).astype(np.uint8))
    return LabelledRows(bytes_, torch.from_numpy(labels.astype(np.int64)))
