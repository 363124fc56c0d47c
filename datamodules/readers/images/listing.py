"""Which files below a folder are images."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from datamodules.readers.images.decode import FORMATS, NOT_AN_IMAGE
from lightning_modules.core.files import readable

ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp"),
    *(".avif", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Endings of images, in capitals or not."""
MOST = 5  # endings that a sentence names


def listing(root: Path) -> tuple[list[Path], list[Path]]:
    """Images below a folder, and all other files that are not hidden, in their order.

    An image is known by its ending, or without one by its first bytes.
    """
    images: list[Path] = []
    others: list[Path] = []
    for folder in walk(root):
        for path in folder.iterdir():
            if not path.name.startswith(".") and _is_file(path):
                (images if _is_named_image(path) else others).append(path)
    return sorted(images), sorted(others)


def _is_file(path: Path) -> bool:
    """Whether it is a file or a link to one, even to one that is gone."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _is_named_image(path: Path) -> bool:
    """Whether a file is an image by its ending, or without one by its content."""
    return path.suffix.lower() in ENDINGS or (not path.suffix and _is_image(path))


def and_found(others: Sequence[Path]) -> str:
    """What there is in the place of images, or nothing."""
    if not others:
        return ""
    endings = Counter(path.suffix.lower() or "no ending" for path in others)
    counted = ", ".join(f"{n} {ending}" for ending, n in endings.most_common(MOST))
    return f" (found {counted}, such as {readable(others[0])})"


def _is_image(path: Path) -> bool:
    """Whether the first bytes of a file are those of an image.

    Warnings about a format that this Pillow has no plugin for are left out.
    """
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path, formats=FORMATS),
        ):
            return True
    except NOT_AN_IMAGE:
        return False


def subfolders(root: Path) -> list[Path]:
    """Folders in a folder and links to such, without hidden ones, in their order."""
    return [
        path
        for path in sorted(root.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    ]


def walk(root: Path) -> Iterator[Path]:
    """A folder and all below it, links to folders too, each once; none that is hidden.

    What is hidden has a name that begins with a dot.
    """
    seen: set[Path] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if folder.resolve() in seen:
            continue  # a link to a folder that was visited
        seen.add(folder.resolve())
        yield folder
        waiting += reversed(subfolders(folder))
