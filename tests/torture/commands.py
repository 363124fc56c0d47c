"""A command line in a process of its own, and how it ended."""

import contextlib
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wasserstein_critics.cli import app

PATIENCE = 120.0  # seconds after which a command counts as hanging


@dataclass
class Ended:
    """How a command ended: exit code (negative: the signal), stderr, session, peak.

    The peak is that of its memory, in bytes.
    """

    code: int
    told: str
    session: int
    peak: int


@dataclass
class Command:
    """A command line that runs in a folder, in a session of its own.

    Args:
        words: Behind ``python train.py``.
        folder: Where it runs.
        first: Called in the process before the command.
        main: What the command does with its words; returns the exit code.
    """

    words: list[str]
    folder: Path
    first: Callable[[], object] = bool
    main: Callable[[list[str]], int] = app.main
    pid: int = field(init=False, default=0)
    ended: Ended | None = field(init=False, default=None)

    def start(self) -> "Command":
        """Fork it."""
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            self._run()
        return self

    def _run(self) -> None:
        os.setsid()
        os.chdir(self.folder)
        for number, name in ((1, "out.txt"), (2, "err.txt")):
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, number)
        random.seed(0)
        code = 1
        try:
            code = self._code()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _code(self) -> int:
        try:
            self.first()
            return self.main(self.words)
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        return 1

    def wait(self, seconds: float = PATIENCE) -> Ended | None:
        """How it ended; None if it still runs after so long."""
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._keep(os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024)
            else:
                time.sleep(0.005)
        return self.ended

    def _keep(self, code: int, peak: int) -> None:
        text = (self.folder / "err.txt").read_text(errors="replace")
        self.ended = Ended(code, text, self.pid, peak)

    def end(self) -> Ended:
        """How it ended; killed if it hangs."""
        if ended := self.wait():
            return ended
        self.kill()
        ended = self.wait()
        assert ended is not None
        return Ended(-999, ended.told + "hangs", self.pid, ended.peak)

    def kill(self) -> None:
        """Kill it and all its processes, as a machine that fails does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def run(words: list[str], folder: Path, first: Callable[[], object] = bool) -> Ended:
    """Run a command to its end."""
    return Command(words, folder, first).start().end()


def members(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, number = path.read_text().rpartition(")")[2].split()[:4]
            if int(number) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def sentence(ended: Ended, *codes: int) -> list[str]:
    """What is wrong with the end of a command that had to tell a mistake."""
    lines = [line for line in ended.told.splitlines() if line.startswith("error: ")]
    wrong = []
    if ended.code not in codes:
        wrong.append(f"exit code {ended.code}")
    if "Traceback" in ended.told:
        wrong.append("traceback: " + ended.told.strip().splitlines()[-1][:200])
    if codes != (0,) and len(lines) != 1:
        wrong.append(f"{len(lines)} sentences")
    return wrong
