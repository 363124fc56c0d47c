"""USPS and SVHN from their files, and the digits that scikit-learn ships."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from sklearn.datasets import load_digits
from torchvision import datasets
from typing_extensions import override

from datamodules.readers.features.formats import own, whole
from datamodules.readers.images.archives import Archives, ImageFiles, Images, home
from lightning_modules.core.files import check_file
from lightning_modules.core.limits import TooLargeError
from lightning_modules.core.random import seed_of

HDF5 = "usps.h5"


def read_small_digits() -> Images:
    """1,797 digits (n, 1, 8, 8) of ink 0 ... 16, float64, in a fixed random order."""
    ink, labels = load_digits(return_X_y=True)
    generator = torch.Generator().manual_seed(seed_of("digits", 0))
    order = torch.randperm(len(ink), generator=generator)
    x = torch.from_numpy(ink).view(-1, 1, 8, 8)
    return Images(x[order], torch.from_numpy(labels).long()[order])


class SVHNFiles(ImageFiles):
    """``train_32x32.mat`` and ``test_32x32.mat`` below ``<root>/svhn``.

    House numbers, cropped to single digits of 32 x 32 pixels in colour. Both files are
    checked by md5 sum. The label 10 of the files is the digit 0.

    Args:
        root: Folder of all data sets; files directly in it are read too.
        download: Fetch missing files, about 250 MB.
    """

    def __init__(self, root: Path, download: bool) -> None:
        listed = [datasets.SVHN.split_list[part] for part in ("train", "test")]
        files = [(name, md5) for _, name, md5 in listed]
        folder = home(root, "svhn", [name for name, _ in files])
        self.archives = Archives(_both_of_svhn, folder, files, "SVHN")
        self.download = download

    @override
    def find(self) -> None:
        self.archives.mend(self.archives.fault(), self.download)

    @override
    def read(self) -> tuple[Images, Images]:
        """73,257 and 26,032 images of 3 x 32 x 32."""
        train, test = (
            Images(
                torch.from_numpy(np.ascontiguousarray(part.data)),
                torch.from_numpy(part.labels),
            )
            for part in _both_of_svhn(self.archives.root)
        )
        return train, test


def _both_of_svhn(root: Path, download: bool = False) -> list[Any]:
    parts = ("train", "test")
    return [datasets.SVHN(root, part, download=download) for part in parts]


class USPSFiles(ImageFiles):
    """``usps.h5``, or ``usps.bz2`` and ``usps.t.bz2``, below ``<root>/usps``.

    Postal digits of 16 x 16 pixels. The formats hold the same digits with different
    pixels (those of the libsvm files are smoothed), so that both parts come from one of
    them: from ``usps.h5`` if it is there, else from the pair of libsvm files, which are
    checked by md5 sum.

    Args:
        root: Folder of all data sets; files directly in it are read too.
        download: Fetch the libsvm files, about 9 MB, if nothing is there.
    """

    def __init__(self, root: Path, download: bool) -> None:
        files = [(name, md5) for _, name, md5 in datasets.USPS.split_list.values()]
        folder = home(root, "usps", [HDF5, *(name for name, _ in files)])
        self.archives = Archives(_both_of_usps, folder, files, "USPS")
        self.hdf5, self.download = folder / HDF5, download

    @override
    def find(self) -> None:
        """Looks for ``usps.h5``, then for both libsvm files, then at the network."""
        if self.hdf5.exists():
            return
        fault = self.archives.fault()
        if isinstance(fault, FileNotFoundError):
            names = " and ".join(name for name, _ in self.archives.files)
            fault = FileNotFoundError(
                f"data.root: USPS needs {self.hdf5}, or {names} beside each other "
                "there; put them there, or set data.download: true."
            )
        self.archives.mend(fault, self.download)

    @override
    def read(self) -> tuple[Images, Images]:
        """7,291 and 2,007 images of 1 x 16 x 16."""
        if self.hdf5.exists():
            return read_hdf5(self.hdf5)
        train, test = (
            Images(torch.from_numpy(part.data)[:, None], torch.tensor(part.targets))
            for part in _both_of_usps(self.archives.root)
        )
        return train, test


def _both_of_usps(root: Path, download: bool = False) -> list[Any]:
    return [datasets.USPS(root, train, download=download) for train in (True, False)]


def read_hdf5(path: Path) -> tuple[Images, Images]:
    """Training and test digits of a file with ``<part>/data`` and ``<part>/target``.

    ``data`` is (n, 256) or (n, 16, 16) of numbers from 0 to 1, which become bytes;
    ``target`` is (n,) of labels from 0 to 9.

    Raises:
        ValueError: The file is cut off or holds something else.
    """
    check_file(path, f"data.root: {path}")
    try:
        with h5py.File(path, "r") as file:
            groups = [own(file, part) for part in ("train", "test")]
            train, test = (
                _pairs(whole(own(group, "data")), whole(own(group, "target")))
                for group in groups
            )
    except TooLargeError as error:
        raise ValueError(f"data.root: {path} {error}") from error
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"data.root: {path} is cut off or does not hold USPS as data and target "
            f"in train and test ({' '.join(str(error).split())}); replace it."
        ) from error
    return train, test


def _pairs(ink: np.ndarray, labels: np.ndarray) -> Images:
    if ink.dtype.kind not in "biuf" or labels.dtype.kind not in "iuf":
        raise ValueError("data and target are not all numbers")
    if labels.ndim != 1:
        raise ValueError(f"labels have the shape {labels.shape}")
    images = ink.reshape(len(labels), 1, 16, 16)
    if not (ink.min() >= 0 and ink.max() <= 1):
        raise ValueError("pixels are not all between 0 and 1")
    if not (labels.min() >= 0 and labels.max() <= 9):
        raise ValueError("labels are not all between 0 and 9")
    if (labels != labels.astype(np.int64)).any():
        raise ValueError("labels are not all whole numbers")
    pixels = torch.from_numpy(np.rint(255 * images).astype(np.uint8))
    return Images(pixels, torch.from_numpy(labels.astype(np.int64)))
