"""The folder of one domain: images in a subfolder for each class, or in none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.readers.images.archives import Images
from datamodules.readers.images.folder import DecodedFolder, ImageTree
from datamodules.readers.images.listing import subfolders
from lightning_modules.core.files import readable

NO_CLASS = ""
"""The class of images that lie in the folder itself."""


@dataclass(frozen=True)
class DomainFolder(ImageTree):
    """Images of one domain; arguments as `ImageTree`."""

    def inner(self) -> Self:
        """The folder ``images`` in its place, if that is its only subfolder."""
        if not self.root.is_dir():
            return self
        shown = [path.name for path in subfolders(self.root)]
        return replace(self, root=self.root / "images") if shown == ["images"] else self

    def found_classes(self) -> list[str]:
        """Class folders with an image in them, in order."""
        return sorted({self.class_of(path) for path in self.files()})

    @override
    def read(self) -> DecodedFolder:
        """All images in the order of a hash of their pixels, which tells no class.

        Labels are -1 everywhere if there are no class folders.
        """
        folder = super().read()
        order = by_content(folder.rows.x)
        rows = Images(folder.rows.x[order], folder.rows.y[order])
        if folder.classes == [NO_CLASS]:
            rows.y.fill_(-1)
        files = [folder.files[row] for row in order.tolist()]
        return replace(folder, rows=rows, files=files)


def check_classes(
    folders: Sequence[DomainFolder], classes: Sequence[list[str]]
) -> None:
    """Refuses a source and a target without the same classes.

    Args:
        folders: Source and target.
        classes: What each has images of.

    Raises:
        ValueError: They differ, and the target's images are not all without class.
    """
    source, target = classes
    for key, names, folder in zip(("source", "target"), classes, folders, strict=True):
        if NO_CLASS in names and (key == "source" or len(names) > 1):
            raise ValueError(
                f"data.{key}: images lie in {folder.root} itself; put each into a "
                "folder named after its class."
            )
    if target == [NO_CLASS] or source == target:
        return
    missing, extra = (
        ", ".join(map(readable, sorted(set(one) - set(other))))
        for one, other in ((source, target), (target, source))
    )
    faults = [f"no images of {missing}"] * bool(missing)
    faults += [f"images of {extra}, which the source has not"] * bool(extra)
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
    existing = ", ".join(sorted(readable(p.name) for p in _folders(root)))
    hint = f"choose from {existing}" if existing else "set data.root"
    raise FileNotFoundError(f"data.{key}: there is no folder {path}; {hint}.")


def _folders(root: Path) -> list[Path]:
    return subfolders(root) if root.is_dir() else []


def by_content(x: Tensor) -> Tensor:
    """Row numbers, int64 (n,), in the order of a hash of what is in the rows."""
    hashes = [blake2b(row.numpy(), digest_size=8).digest() for row in x]
    return torch.tensor(sorted(range(len(x)), key=hashes.__getitem__))
