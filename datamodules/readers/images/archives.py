"""Files of published images: found, checked, unpacked and downloaded."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from torch import Tensor
from torchvision.datasets.utils import check_integrity

from lightning_modules.core.files import put_in_place
from lightning_modules.data_contracts.contracts import LabelledBatch

Images: TypeAlias = LabelledBatch[Tensor]
"""Images, uint8 (n, channels, height, width), and their classes 0 ... 9, int64 (n,)."""


class ImageFiles(ABC):
    """The files of one data set."""

    @abstractmethod
    def find(self) -> None:
        """Checks that they are there; downloads them where that was asked for.

        Raises:
            FileNotFoundError: A file is missing and nothing may be downloaded.
            ValueError: A file is cut off or damaged.
            ConnectionError: The download failed.
        """

    @abstractmethod
    def read(self) -> tuple[Images, Images]:
        """The standard training and test parts.

        Raises:
            ValueError: A file is cut off or damaged.
        """


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


@dataclass(frozen=True)
class Archives:
    """Files of a data set of torchvision.

    Args:
        dataset: The class of torchvision, which knows the addresses.
        root: Where the files are, or go.
        files: Paths relative to the root, and md5 sums.
        name: Of the data set, for sentences.
    """

    dataset: Callable[..., Any]
    root: Path
    files: Sequence[tuple[str, str]]
    name: str

    def fault(self) -> OSError | ValueError | None:
        """What is wrong with the first damaged file, else the first missing, or None.

        A damaged file goes first because its owner believes that the data is there.
        """
        missing = None
        for name, md5 in self.files:
            path = self.root / name
            if not path.exists():
                missing = missing or FileNotFoundError(
                    f"data.root: {self.name} needs {path}, which does not exist; put "
                    "it there, or set data.download: true."
                )
            elif not check_integrity(path, md5):
                return ValueError(
                    f"data.root: {path} is cut off or damaged (its md5 sum is not "
                    f"{md5}); replace it, or set data.download: true."
                )
        return missing

    @contextmanager
    def contents(self, are_packed: bool) -> Iterator[Path]:
        """The root, or a temporary one with the contents of packed files.

        The root of the user may be read-only, and half-unpacked files never appear in
        it.
        """
        if not are_packed:
            yield self.root
            return
        with TemporaryDirectory() as temporary:
            self._unpack(Path(temporary))
            yield Path(temporary)

    def mend(self, fault: Exception | None, download: bool) -> None:
        """Raises a fault, or downloads what is missing where that is allowed.

        Files are checked, and moved to the root one by one.

        Args:
            fault: A ``ValueError`` is about a damaged file, which is named if the
                download fails.
            download: Whether it is allowed.

        Raises:
            ConnectionError: Nothing can be downloaded, or not written to the root.
        """
        if fault is None:
            return
        if not download:
            raise fault
        try:
            with (
                _root_made(self.root),
                TemporaryDirectory(dir=self.root, prefix=".download-") as temporary,
            ):
                self._unpack(Path(temporary))
                for new in sorted(Path(temporary).rglob("*")):
                    if new.is_file() and not new.is_symlink():
                        target = self.root / new.relative_to(temporary)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        put_in_place(new, target)
        except (OSError, RuntimeError) as error:
            names = ", ".join(name for name, _ in self.files)
            damage = ""
            if isinstance(fault, ValueError):
                damage = str(fault).removeprefix("data.root: ").rpartition(";")[0]
                damage += "; "
            raise ConnectionError(
                f"data.download: {damage}the files could not be fetched into "
                f"{self.root} ({' '.join(str(error).split())}); put {names} there "
                "yourself."
            ) from error

    def _unpack(self, folder: Path) -> None:
        # torchvision checks an archive that it finds, unpacks it, downloads the others
        for name, md5 in self.files:
            if check_integrity(self.root / name, md5):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to((self.root / name).resolve())
        self.dataset(folder, download=True)


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
