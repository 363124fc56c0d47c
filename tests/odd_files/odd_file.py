"""A small file as people really have them, and what a reader should make of it."""

from pathlib import Path
from typing import Any, NamedTuple


class OddFile(NamedTuple):
    """A file, and the right value or the sentence that refuses it.

    Args:
        name: Name of the file, which may lie in folders.
        content: Its bytes.
        expected: The right value; of no meaning beside ``error``.
        error: Pattern of the sentence.
        options: Of the reader.
    """

    name: str
    content: bytes
    expected: Any = None
    error: str | None = None
    options: dict[str, Any] = {}  # noqa: RUF012  nobody writes into it

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)
        return path
