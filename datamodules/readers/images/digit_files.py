"""Files of data sets of digits: where they are, and what they hold."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeAlias

from torch import Tensor

from datamodules.core.tensor_dataset import LabelledRows

DigitParts: TypeAlias = tuple[LabelledRows[Tensor], LabelledRows[Tensor]]
"""Training and test images, uint8 (n, channels, height, width), labels 0 ... 9."""


class DigitFiles(Protocol):
    """The files of one data set."""

    def find(self) -> None:
        """Checks that they are there; downloads them where that was asked for."""

    def read(self) -> DigitParts:
        """Both standard parts."""


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
