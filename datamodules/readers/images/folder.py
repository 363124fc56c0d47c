"""The folder of one domain: pictures in a subfolder for each class, or in none."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from datamodules.adaptation.base import LabelledRows
from datamodules.generative.image_folder import ImageFolder

NO_CLASS = ""
"""What `ImageFolder` calls the class of pictures that lie in the folder itself."""


class DomainFolder(ImageFolder):
    """Pictures of one domain, read as `ImageFolder` reads them.

    Args:
        root: Folder with a subfolder for each class, or with pictures directly in it;
            if its only subfolder is named ``images``, that is taken in its place.
        key: Key of the command line that it was given with.
        size: Height and width that the pictures are brought to.
        on_corrupt: ``skip`` or ``error``, as there.

    Attributes:
        files: Files of the rows of `rows`, in their order.
    """

    files: list[Path]

    def __init__(
        self, root: Path, key: str, size: int, on_corrupt: Literal["skip", "error"]
    ) -> None:
        super().__init__(str(root), size, val_fraction=0, on_corrupt=on_corrupt)
        self.key = key

    def find(self) -> None:
        """Looks for pictures; steps into a folder ``images`` that is alone."""
        if self.root.is_dir():
            folders = [p.name for p in self.root.iterdir() if p.is_dir()]
            if [name for name in folders if not name.startswith(".")] == ["images"]:
                self.root /= "images"
        super().find()

    def found_classes(self) -> list[str]:
        """Class folders with a picture in them, in order."""
        paths = (path.relative_to(self.root) for path in self._files())
        return sorted({"/".join(path.parts[:-1][:1]) for path in paths})

    def rows(self) -> LabelledRows:
        """All pictures in the order of a hash of their pixels, which tells no class.

        Returns:
            uint8 (n, 3, size, size), and int64 (n,): numbers of the class folders in
            alphabetical order, or -1 everywhere if there are none.
        """
        pairs, _, _ = self.read()
        order = by_content(pairs.x)
        self.files = [self.files[row] for row in order.tolist()]
        y = pairs.y[order]
        if self.classes == [NO_CLASS]:
            y = torch.full_like(y, -1)
        return LabelledRows(pairs.x[order], y)

    def _decode(self, files: list[Path]) -> tuple[list[Tensor], list[Path]]:
        pictures, self.files = super()._decode(files)
        return pictures, self.files


def check_classes(
    folders: Sequence[DomainFolder], classes: Sequence[list[str]]
) -> None:
    """Refuses a source and a target without the same classes.

    Args:
        folders: Source and target.
        classes: What each has pictures of.

    Raises:
        ValueError: They differ, and the target's pictures are not all without class.
    """
    source, target = classes
    for key, found, folder in zip(("source", "target"), classes, folders, strict=True):
        if NO_CLASS in found and (key == "source" or len(found) > 1):
            raise ValueError(
                f"data.{key}: pictures lie in {folder.root} itself; put each into a "
                "folder named after its class."
            )
    if target == [NO_CLASS] or source == target:
        return
    lacks, only = (
        ", ".join(sorted(set(one) - set(other)))
        for one, other in ((source, target), (target, source))
    )
    faults = [f"no pictures of {lacks}"] * bool(lacks)
    faults += [f"pictures of {only}, which the source has not"] * bool(only)
    raise ValueError(
        f"data.target: {folders[1].root} has {' but '.join(faults)}; source and target "
        "need the same class folders, none of them empty."
    )


def subfolder(key: str, root: Path, name: str) -> Path:
    """The folder of a domain.

    Raises:
        FileNotFoundError: There is none; the sentence names those that there are.
    """
    path = root / name
    if path.is_dir():
        return path
    there = ", ".join(sorted(p.name for p in root.glob("*/")))
    hint = f"choose one of {there}" if there else "set data.root"
    raise FileNotFoundError(f"data.{key}: there is no folder {path}; {hint}.")


def by_content(x: Tensor) -> Tensor:
    """Row numbers, int64 (n,), in the order of a hash of what is in the rows."""
    hashes = [blake2b(row.numpy(), digest_size=8).digest() for row in x]
    return torch.tensor(sorted(range(len(x)), key=hashes.__getitem__))
