"""A small CiteULike."""

from pathlib import Path
from typing import Any

from datamodules import CiteULike
from tests.support.pair_files import ready, written

USERS = ("2 0 1", "6 0 1 2 3 4 5", "0", "5 5 4 3 2 1")


def folder(path: Path, **files: tuple[str, ...]) -> CiteULike:
    """Files whose names have a point where keys have a line."""
    for name, lines in ({"users_dat": USERS} | files).items():
        written(path / name.replace("__", "-").replace("_", "."), *lines)
    return CiteULike(str(path))


def read(path: Path, **options: Any) -> CiteULike:
    data = ready(CiteULike(str(path), **options))
    assert isinstance(data, CiteULike)
    return data
