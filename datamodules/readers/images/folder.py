"""Folders of images, with a subfolder for each class or without."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torchvision.datasets.folder import IMG_EXTENSIONS

from datamodules.readers.images.archives import Images
from datamodules.readers.images.decode import decode_all, walk

OnCorrupt = Literal["skip", "error"]


@dataclass(frozen=True)
class DecodedFolder:
    """The images of a folder.

    Args:
        rows: uint8 (n, channels, size, size), and the numbers of their classes.
        classes: Names of the classes.
        files: Files of the rows.
        n_skipped: Files that could not be decoded.
    """

    rows: Images
    classes: list[str]
    files: list[Path]
    n_skipped: int = 0


@dataclass(frozen=True)
class ImageTree:
    """All images below a folder, each decoded once, cropped to its central square.

    They are resized with anti-aliasing and kept as bytes. Transparent parts become
    white; orientation tags of cameras are applied. The class of an image is the
    first-level subfolder, in alphabetical order; that of images directly in ``root``
    is named "" and comes first.

    Args:
        root: Folder that is searched, with all folders below it.
        size: Height and width of the decoded images.
        channels: 3 for colour, 1 for grey.
        on_corrupt: ``skip`` files that cannot be decoded, with a warning that names
            them, or stop with an ``error``.
        key: The key of the command line that says where the images are.
        quiet: Neither progress nor warnings, as in all processes but the first.
    """

    root: Path
    size: int
    channels: Literal[1, 3] = 3
    on_corrupt: OnCorrupt = "skip"
    key: str = "root"
    quiet: bool = False

    def find(self) -> None:
        """Checks that there are images.

        Raises:
            FileNotFoundError: The folder does not exist or holds no image.
        """
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.{self.key}: the folder {self.root} does not exist; name one "
                "with images in it."
            )
        if not self.files():
            raise FileNotFoundError(
                f"data.{self.key}: no image below {self.root} (looked for "
                f"{', '.join(IMG_EXTENSIONS)}); name another folder."
            )

    def files(self) -> list[Path]:
        """Files of images by their endings, hidden ones left out."""
        return sorted(
            path
            for folder in walk(self.root)
            for path in folder.iterdir()
            if path.suffix.lower() in IMG_EXTENSIONS
            and not path.name.startswith(".")
            and path.is_file()
        )

    def class_of(self, path: Path) -> str:
        """Name of the class of a file."""
        return "/".join(path.relative_to(self.root).parts[:-1][:1])

    def read(self) -> DecodedFolder:
        """Decodes all files.

        Raises:
            ValueError: No file can be decoded, or one cannot and ``on_corrupt`` is
                ``error``.
        """
        files, title = self.files(), f"Reading {self.root}"
        progress = None if self.quiet else title
        images, faults = decode_all(files, self.channels, self.size, progress)
        if faults:
            self._report(faults, len(files))
        names = [self.class_of(path) for path, _ in images]
        classes = sorted(set(names))
        labels = torch.tensor([classes.index(name) for name in names])
        rows = Images(torch.stack([image for _, image in images]), labels)
        kept = [path for path, _ in images]
        return DecodedFolder(rows, classes, kept, len(faults))

    def _report(self, faults: list[str], n_files: int) -> None:
        listed = "; ".join(faults)
        if self.on_corrupt == "error" or len(faults) == n_files:
            raise ValueError(
                f"data.{self.key}: {len(faults)} of {n_files} files are not readable "
                f"images: {listed}. Remove them, or set data.on_corrupt: skip."
            )
        if not self.quiet:
            warnings.warn(
                f"Skipped {len(faults)} files that cannot be read: {listed}.",
                stacklevel=2,
            )
