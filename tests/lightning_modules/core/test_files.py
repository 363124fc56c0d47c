"""Files are written whole or not at all."""

from pathlib import Path
from typing import Any, BinaryIO

import pytest

from callbacks import write_whole


@pytest.mark.parametrize(
    "content", ["hé", "hé".encode(), lambda file: file.write("hé".encode())]
)
def test_a_file_is_written_whole(tmp_path: Path, content: Any) -> None:
    path = write_whole(tmp_path / "deep" / "file", content)
    assert path.read_bytes() == "hé".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "file", "old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
