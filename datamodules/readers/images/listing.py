"""Which files below a folder are images."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from datamodules.readers.images.decode import FORMATS, NOT_AN_IMAGE
from lightning_modules.core.files import readable

ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp"),
    *(".avif", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Endings of images, in capitals or not."""
MOST = 5  # endings that a sentence names
NOT_OF_USERS = {
    *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot"),
    *("$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "lost+found"),
    *("__MACOSX", "Thumbs", "__pycache__"),
}
"""Folders that storage devices, systems and viewers make."""
SPLIT = re.compile(
    r"(?P<part>train|val|dev|eval|test)(ing|id|idation|uation)?"
    r"[-_ ]*(sets?|splits?|data|images?|imgs?)?[-_ ]*(\d*|[ab])",
    re.IGNORECASE,
)
"""Names of folders that are parts of a split."""


class Listing(NamedTuple):
    """Files below a folder that are not hidden, each kind in its order.

    Attributes:
        images: Known by their ending, or without one by their first bytes.
        others: All other files.
        passed_over: Files in folders that are passed over, see `is_passed_over`.
    """

    images: list[Path]
    others: list[Path]
    passed_over: list[Path]


def listing(root: Path, key: str = "root") -> Listing:
    """Images and other files below a folder, which a key of the command line names."""
    images: list[Path] = []
    others: list[Path] = []
    passed_over: list[Path] = []
    for folder in walk(root):
        for path in folder.iterdir():
            if path.name.startswith("."):
                continue
            check_link(path, key)
            if _is_file(path):
                (images if _is_named_image(path) else others).append(path)
            elif is_passed_over(path):
                passed_over += _files_below(path)
    return Listing(sorted(images), sorted(others), sorted(passed_over))


def check_link(path: Path, key: str) -> None:
    """Refuses a link that somebody else put into a folder of others.

    Links are followed, out of the root too, where they are the user's, the system's or
    of whoever owns the folder that they lie in, as Linux does in shared folders.

    Raises:
        ValueError: It is of another owner.
    """
    if not path.is_symlink():
        return
    owner = path.lstat().st_uid
    if owner not in (0, os.getuid(), path.parent.stat().st_uid):
        raise ValueError(
            f"data.{key}: {readable(path)} is a link of another user (number {owner}) "
            "in a folder that is not theirs; remove it, or copy what it points to."
        )


def is_passed_over(folder: Path) -> bool:
    """Whether a folder is hidden, or one that programs make for themselves.

    What is hidden has a name that begins with a dot.

    >>> [is_passed_over(Path(name)) for name in ("a/.git", "a/@eaDir", "a/eagle")]
    [True, True, False]
    """
    return folder.name.startswith(".") or folder.name in NOT_OF_USERS


def _files_below(folder: Path) -> list[Path]:
    below = (path for path in folder.rglob("*") if not path.name.startswith("."))
    return [path for path in below if _is_file(path)]


def check_classes_are_meant(
    root: Path, images: Sequence[Path], key: str, value: Path
) -> None:
    """Refuses folders that are parts of a split, or lie around the class folders.

    Args:
        root: Folder whose subfolders are classes.
        images: Those below it.
        key: The key of the command line that names ``root``.
        value: What it is set to; the remedy names a folder below.

    Raises:
        ValueError: All classes would be parts of a split, of two kinds at least, or
            the only one would be a folder that holds several folders of images.
    """
    place, names = root, _class_folders(root, images)
    while len(names) == 1:
        place /= names[0]
        names = _class_folders(place, images)
    inside = place.relative_to(root)
    splits = [SPLIT.fullmatch(name) for name in names]
    kinds = {split["part"].lower() for split in splits if split}
    shown = ", ".join(map(readable, names[:MOST]))
    if len(kinds) > 1 and all(splits):
        best = next((n for n in names if n.lower().startswith("train")), names[0])
        raise ValueError(
            f"data.{key}: {readable(place)} holds parts of a split ({shown}), which "
            f"are no classes; set it to one, such as {readable(value / inside / best)}."
        )
    if names and place != root:
        raise ValueError(
            f"data.{key}: {readable(root / inside.parts[0])} would be the only class, "
            f"but holds the folders {shown}; set it to {readable(value / inside)}, or "
            "put the images of one class into one folder."
        )


def _class_folders(root: Path, images: Sequence[Path]) -> list[str]:
    """Folders with images below; none where images lie in the root itself."""
    below = [path.relative_to(root) for path in images if path.is_relative_to(root)]
    if any(len(path.parts) == 1 for path in below):
        return []
    return sorted({path.parts[0] for path in below})


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
    """Folders in a folder and links to such, in their order.

    Those that are passed over are left out.
    """
    inside = sorted(root.iterdir())
    return [path for path in inside if path.is_dir() and not is_passed_over(path)]


def walk(root: Path) -> Iterator[Path]:
    """A folder and all below it, links to folders too, each once.

    Those that are passed over are left out, and links to folders that the root lies in.
    """
    seen = set(root.resolve().parents)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if folder.resolve() in seen:
            continue  # a link to a folder that was visited
        seen.add(folder.resolve())
        yield folder
        waiting += reversed(subfolders(folder))
