"""Folders of images, with a subfolder for each class or without."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from datamodules.readers.images.archives import Images
from datamodules.readers.images.convert import UnknownWhiteError
from datamodules.readers.images.decode import Decoded, decode_all
from datamodules.readers.images.listing import (
    ENDINGS,
    and_found,
    check_classes_are_meant,
    listing,
    subfolders,
)
from lightning_modules.core.limits import check_size

OnCorrupt = Literal["skip", "error"]
SHOWN = 10  # files that a sentence names


@dataclass(frozen=True)
class DecodedFolder:
    """The images of a folder.

    Args:
        rows: uint8 (n, channels, size, size), and the numbers of their classes.
        classes: Names of the classes.
        files: Files of the rows.
        n_skipped: Files that could not be decoded, or are no images.
    """

    rows: Images
    classes: list[str]
    files: list[Path]
    n_skipped: int = 0


@dataclass(frozen=True)
class ImageTree:
    """All images below a folder, each decoded once, cropped to its central square.

    They are resized with anti-aliasing and kept as bytes. Transparent parts become
    white; orientation tags of cameras are applied; of several frames the first counts.
    The class of an image is the first-level subfolder, in alphabetical order; that of
    images directly in ``root`` is named "" and comes first. Images are known by their
    ending, or without one by their first bytes. Other files, and those in folders that
    programs make for themselves (``@eaDir``, ``__MACOSX``), are left out with a warning
    that names them, hidden ones (with a dot first) without. Links are followed, out of
    ``root`` too, but not to a folder that ``root`` lies in, nor those that another user
    put into a folder that is not theirs.

    Args:
        root: Folder that is searched, with all folders below it.
        size: Height and width of the decoded images.
        channels: 3 for colour, 1 for grey.
        on_corrupt: ``skip`` files that cannot be decoded, with a warning that names
            them, or stop with an ``error``.
        white_level: Value of white in grey images of 16 bits, see `to_square`.
        key: The key of the command line that says where the images are.
        relative_to: Folder that the value of this key is relative to, or None.
        quiet: Neither progress nor warnings, as in all processes but the first.
    """

    root: Path
    size: int
    channels: Literal[1, 3] = 3
    on_corrupt: OnCorrupt = "skip"
    white_level: int | None = None
    key: str = "root"
    quiet: bool = False
    relative_to: Path | None = None

    def find(self) -> None:
        """Checks that there are images, in each of the classes.

        Raises:
            FileNotFoundError: The folder does not exist or holds no image.
            ValueError: A subfolder holds none, so that its class would be missing; or
                the subfolders are no classes, see `check_classes_are_meant`.
        """
        if not self.root.is_dir():
            raise FileNotFoundError(
                f"data.{self.key}: the folder {self.root} does not exist; name one "
                "with images in it."
            )
        images, others, _ = listing(self.root, self.key)
        if not images:
            raise FileNotFoundError(
                f"data.{self.key}: no image below {self.root} (looked for "
                f"{', '.join(ENDINGS)}{and_found(others)}); name another folder."
            )
        used, root = {self.class_of(path) for path in images}, self.root.resolve()
        for folder in subfolders(self.root):
            is_loop = folder.resolve() in (root, *root.parents)
            if folder.name not in used and not is_loop:
                lost = [path for path in others if self.class_of(path) == folder.name]
                raise ValueError(
                    f"data.{self.key}: no image in the class folder {folder}"
                    f"{and_found(lost)}; add some, or remove the folder."
                )
        value = self.root
        if self.relative_to is not None:
            value = Path(os.path.relpath(self.root, self.relative_to))
        check_classes_are_meant(self.root, images, self.key, value)

    def files(self) -> list[Path]:
        """Files of images, hidden ones left out."""
        return listing(self.root, self.key).images

    def class_of(self, path: Path) -> str:
        """Name of the class of a file."""
        return "/".join(path.relative_to(self.root).parts[:-1][:1])

    def read(self) -> DecodedFolder:
        """Decodes all files.

        Raises:
            ValueError: No file of a class can be decoded, or one cannot and
                ``on_corrupt`` is ``error``, or a white level is uncertain.
        """
        files, others, passed_over = listing(self.root, self.key)
        form = f"{len(files)} images of {self.size} x {self.size} pixels"
        n_bytes = len(files) * self.channels * self.size**2
        check_size(n_bytes, name=f"data.image_size: {form}")
        images, faults = self._decoded(files)
        if faults:
            self._report(faults, len(files))
        if others:
            self._warn(
                f"Left out {len(others)} files below {self.root} that are not "
                f"images by their ending{and_found(others)}."
            )
        if passed_over:
            self._warn(
                f"Left out {len(passed_over)} files in folders that programs make for "
                f"themselves{and_found(passed_over)}; rename such a folder if its "
                "images are yours."
            )
        names = [self.class_of(path) for path, _ in images]
        classes = sorted({self.class_of(path) for path in files})
        self._check_classes(classes, names, faults)
        labels = torch.tensor([classes.index(name) for name in names])
        rows = Images(torch.stack([image for _, image in images]), labels)
        kept = [path for path, _ in images]
        n_skipped = len(faults) + len(others) + len(passed_over)
        return DecodedFolder(rows, classes, kept, n_skipped)

    def _decoded(self, files: list[Path]) -> Decoded:
        progress = None if self.quiet else f"Reading {self.root}"
        form = (self.channels, self.size, progress, self.white_level)
        try:
            return decode_all(files, *form)
        except UnknownWhiteError as error:
            raise ValueError(f"data.{self.key}: {error}") from None

    def _check_classes(
        self, classes: list[str], readable_ones: list[str], faults: list[str]
    ) -> None:
        lost = sorted(set(classes) - set(readable_ones))
        if lost:
            raise ValueError(
                f"data.{self.key}: no file in {self.root / lost[0]} is a readable "
                f"image: {_listed(faults)}. Replace them, or remove the class."
            )

    def _report(self, faults: list[str], n_files: int) -> None:
        listed = _listed(faults)
        if self.on_corrupt == "error" or len(faults) == n_files:
            raise ValueError(
                f"data.{self.key}: {len(faults)} of {n_files} files are not readable "
                f"images: {listed}. Remove them, or set data.on_corrupt: skip."
            )
        self._warn(f"Skipped {len(faults)} files that cannot be read: {listed}.")

    def _warn(self, sentence: str) -> None:
        if not self.quiet:
            warnings.warn(sentence, stacklevel=3)


def _listed(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return "; ".join(faults[:SHOWN]) + more
