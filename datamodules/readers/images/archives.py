"""Files of torchvision's data sets: found, checked, unpacked and downloaded."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torchvision.datasets.utils import check_integrity

from lightning_modules.core.files import put_in_place

Checked = Sequence[tuple[str, str]]
"""Paths relative to the root, and md5 sums."""


def first_fault(root: Path, files: Checked, what: str) -> OSError | ValueError | None:
    """What is wrong with the first damaged file, else the first missing one, or None.

    A damaged file goes first because its owner believes that the data is there.
    """
    missing = None
    for name, md5 in files:
        path = root / name
        if not path.exists():
            missing = missing or FileNotFoundError(
                f"data.root: {what} needs {path}, which does not exist; put it there, "
                "or set data.download: true."
            )
        elif not check_integrity(path, md5):
            return ValueError(
                f"data.root: {path} is cut off or damaged (its md5 sum is not {md5}); "
                "replace it, or set data.download: true."
            )
    return missing


@contextmanager
def unpacked(dataset: Callable[..., Any], root: Path, files: Checked) -> Iterator[Path]:
    """A temporary root with the unpacked contents of archives that were checked.

    The root of the user may be read-only, and half-unpacked files never appear in it.
    """
    with TemporaryDirectory() as temporary:
        _unpack(dataset, root, Path(temporary), files)
        yield Path(temporary)


def download_if(
    allowed: bool,
    fault: Exception | None,
    dataset: Callable[..., Any],
    root: Path,
    files: Checked,
) -> None:
    """Raises a fault, or downloads the files where that is allowed; see `download`."""
    if fault and not allowed:
        raise fault
    if fault:
        download(dataset, root, files, fault)


def download(
    dataset: Callable[..., Any], root: Path, files: Checked, fault: Exception
) -> None:
    """Downloads what is missing, checks it, and moves it to the root file by file.

    Args:
        dataset: Class of torchvision that knows the addresses.
        root: Where the files go.
        files: What to download.
        fault: Why; a ``ValueError`` is about a damaged file, which is named if the
            download fails.

    Raises:
        ConnectionError: Nothing can be downloaded, or not written to the root.
    """
    try:
        with (
            _root_made(root),
            TemporaryDirectory(dir=root, prefix=".download-") as temporary,
        ):
            _unpack(dataset, root, Path(temporary), files)
            for new in sorted(Path(temporary).rglob("*")):
                if new.is_file() and not new.is_symlink():
                    target = root / new.relative_to(temporary)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    put_in_place(new, target)
    except (OSError, RuntimeError) as error:
        names = ", ".join(name for name, _ in files)
        damage = ""
        if isinstance(fault, ValueError):
            damage = str(fault).removeprefix("data.root: ").rpartition(";")[0] + "; "
        raise ConnectionError(
            f"data.download: {damage}the files could not be fetched into {root} "
            f"({' '.join(str(error).split())}); put {names} there yourself."
        ) from error


@contextmanager
def _root_made(root: Path) -> Iterator[None]:
    """Makes the root; removes the folders made for it if nothing was put there."""
    new = [path for path in (root, *root.parents) if not path.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with suppress(OSError):  # not empty: the download is there
            for path in new:
                path.rmdir()


def _unpack(
    dataset: Callable[..., Any], root: Path, folder: Path, files: Checked
) -> None:
    # torchvision verifies an archive that it finds, unpacks it, downloads the others
    for name, md5 in files:
        if check_integrity(root / name, md5):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to((root / name).resolve())
    dataset(folder, download=True)
