"""SVHN: house numbers, cropped to single digits of 32 x 32 pixels in colour."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision import datasets

from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.images.archives import download_if, first_fault
from datamodules.readers.images.digit_files import DigitParts, home

PARTS = ("train", "test")


class SVHNFiles:
    """``train_32x32.mat`` and ``test_32x32.mat`` below ``<root>/svhn``.

    Both are checked by md5 sum. The label 10 of the files is the digit 0.

    Args:
        root: Folder of all data sets; files directly in it are taken too.
        download: Fetch missing files, about 250 MB.

    Raises:
        FileNotFoundError: A file is missing and ``download`` is false.
        ValueError: A file is cut off or damaged.
        ConnectionError: The download failed.
    """

    def __init__(self, root: Path, download: bool) -> None:
        listed = [datasets.SVHN.split_list[part] for part in PARTS]
        self.archives = [(name, md5) for _, name, md5 in listed]
        self.root = home(root, "svhn", [name for name, _ in self.archives])
        self.download = download

    def find(self) -> None:
        """Looks for both files, then at the network."""
        fault = first_fault(self.root, self.archives, "SVHN")
        download_if(self.download, fault, _both, self.root, self.archives)

    def read(self) -> DigitParts:
        """73,257 and 26,032 images of 3 x 32 x 32."""
        train, test = (
            LabelledRows(
                torch.from_numpy(np.ascontiguousarray(part.data)),
                torch.from_numpy(part.labels),
            )
            for part in _both(self.root)
        )
        return train, test


def _both(root: Path, download: bool = False) -> list[Any]:
    return [datasets.SVHN(root, part, download=download) for part in PARTS]
