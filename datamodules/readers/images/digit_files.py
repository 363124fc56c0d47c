"""Where the files of a data set of digits are, and how they are read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from datamodules.core.tensor_dataset import TensorPairs
from datamodules.generative.mnist import MNIST

Parts = tuple[TensorPairs, TensorPairs]
"""Training and test pictures, uint8 (n, channels, height, width), labels 0 ... 9."""


class DigitFiles(Protocol):
    """The files of one data set."""

    def find(self) -> None:
        """Checks that they are there; downloads them where that was asked for."""

    def read(self) -> Parts:
        """Both standard parts."""


class MNISTFiles:
    """The idx files of MNIST below ``<root>/mnist/MNIST/raw``, as `MNIST` reads them.

    Args:
        root: Folder of all data sets; files directly in it are taken too.
        download: Fetch missing files.
    """

    def __init__(self, root: Path, download: bool) -> None:
        folder = home(root, "mnist", ["MNIST/raw"])
        self.files = MNIST(str(folder), n_val=0, download=download)

    def find(self) -> None:
        """Checks the files."""
        self.files.find()

    def read(self) -> Parts:
        """60,000 and 10,000 pictures of 1 x 28 x 28."""
        train, _, test = self.files.read()
        return train, test


def home(root: Path, name: str, files: Iterable[str]) -> Path:
    """The folder of a data set: its own, unless one of its files is in the root.

    Args:
        root: Folder of all data sets.
        name: Of this one.
        files: What can be in its folder.
    """
    own = root / name
    names = list(files)
    is_in_root = any((root / file).exists() for file in names)
    return root if is_in_root and not any((own / f).exists() for f in names) else own
