"""Uninterrupted runs, which those that are killed are compared with."""

import atexit
import contextlib
import fcntl
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from mmap import mmap
from pathlib import Path
from typing import Any

import yaml

from tests.torture.commands import run
from tests.torture.runs import (
    NO_PREDICTION,
    differences,
    fit_words,
    last_of,
    predict_words,
    settings,
)


class Writes:
    """Counts files that are opened to write, renamed or removed, and acts at one.

    Args:
        at: Number of the one to act at; -1: none.
        after: Seconds between it and the end of the process.
    """

    def __init__(self, at: int = -1, after: float = 0.0) -> None:
        self.at, self.after = at, after
        self._seen = mmap(-1, 4)  # shared with the forked process

    @property
    def number(self) -> int:
        """How many there were until now."""
        return int.from_bytes(self._seen[:4], "little")

    def watch(self) -> None:
        """Watch this process."""
        sys.addaudithook(self._see)

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & 3
        if not writes and event not in ("os.rename", "os.remove", "os.mkdir"):
            return
        self._seen[:4] = (self.number + 1).to_bytes(4, "little")
        if self.number == self.at:
            self._act()

    def _act(self) -> None:
        if self.after:  # what SIGALRM ends, ends without a word, in C code too
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, self.after)
        else:
            os.killpg(0, signal.SIGKILL)


class Imports:
    """Modules that a forked process imports, for later ones to have already.

    They are not run in the parent: threads of theirs would not survive a fork.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, 1 << 20)

    def watch(self) -> None:
        """Report what this process imports."""
        sys.addaudithook(self._see)

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            os.write(self._write, f"{args[0]}\n".encode())

    def repeat(self) -> None:
        """Import the same here."""
        os.close(self._write)
        with os.fdopen(self._read) as names:
            for name in names.read().split():
                with contextlib.suppress(Exception):
                    importlib.import_module(name)


@dataclass
class Reference:
    """An uninterrupted run and its predictions."""

    folder: Path
    seconds: float
    writes: int

    @property
    def last(self) -> Path:
        """Its last checkpoint."""
        path = last_of(self.folder)
        assert path is not None
        return path


@cache
def reference(case: str, devices: int = 1) -> Reference:
    """The uninterrupted run of a case, without loader workers."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "job.yaml").write_text(yaml.safe_dump(settings(case, 0)))
    if devices == 1:
        _import_what_it_needs(folder)
    writes, start = Writes(), time.monotonic()
    ended = run(fit_words(devices), folder, writes.watch)
    assert ended.code == 0, ended.told
    seconds = time.monotonic() - start
    if case not in NO_PREDICTION:
        ended = run(predict_words(folder), folder)
        assert ended.code == 0, ended.told
    return Reference(folder, seconds, writes.number)


def _import_what_it_needs(folder: Path) -> None:
    imports = Imports()
    assert run(fit_words(1), folder, imports.watch).code == 0
    imports.repeat()
    shutil.rmtree(folder / "runs")


def compared(like: Reference, folder: Path) -> list[str]:
    """In what the finished run of a folder differs from the uninterrupted one."""
    last = last_of(folder)
    return differences(like.last, last) if last else ["no last.ckpt"]
