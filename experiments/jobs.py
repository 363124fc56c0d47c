"""Long runs: several processes at a time, a progress bar, and a clean end."""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

POLL = 0.5  # seconds between looks at the running jobs
PATIENCE = 60.0  # seconds that a job has for ending when asked to
# Each takes a core and about 1 GB: more than two at once have to be asked for.
AT_ONCE = min(2, os.cpu_count() or 1)


class BusyError(RuntimeError):
    """Another process runs the same table, study or search."""


@dataclass(frozen=True)
class Job:
    """A process of its own for one run.

    Attributes:
        name: What the bar and messages call it.
        words: Its command line.
        log: Where its output goes.
    """

    name: str
    words: tuple[str, ...]
    log: Path

    def start(self) -> "subprocess.Popen[bytes]":
        """Begin, on one core."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            return subprocess.Popen(
                self.words,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )


def run_all(
    jobs: Sequence[Job],
    at_once: int,
    title: str,
    done: Callable[[Job], str] = lambda _: "",
) -> int:
    """Run jobs and return how many failed; however it ends, none is left running.

    Args:
        jobs: What to run, in this order.
        at_once: How many at a time.
        title: What the bar says before the first starts.
        done: Called for each that succeeded; what it returns is printed.
    """
    waiting, failed = list(jobs), 0
    running: dict[Job, subprocess.Popen[bytes]] = {}
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(TextColumn("{task.description}"), *columns) as progress:
        bar = progress.add_task(title, total=len(waiting))
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    job = waiting.pop(0)
                    running[job] = job.start()
                progress.update(bar, description=" ".join(j.name for j in running))
                time.sleep(POLL)
                for job in [j for j, p in running.items() if p.poll() is not None]:
                    if running.pop(job).returncode:
                        failed += 1
                        progress.console.print(f"{job.name} failed: see {job.log}")
                    elif message := done(job):
                        progress.console.print(message)
                    progress.advance(bar)
        finally:
            end(running.values())
    return failed


def end(processes: Iterable["subprocess.Popen[bytes]"]) -> None:
    """Ask all of them to end; Lightning does so after the batch it is at."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock, a file that names the process at work.

    The system unlocks the file of a process that dies.

    Raises:
        BusyError: If another process holds it.
    """
    with locked(lock, wait=False) as file:
        if file is None:
            holder = lock.read_text() or "unknown"
            raise BusyError(
                f"{what} is being run by process {holder}: wait for it to end."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def locked(lock: Path, *, wait: bool = True) -> Iterator[TextIO | None]:
    """Hold a file's lock; without ``wait`` None if another process holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield file


def command_parser(module: str, doc: str | None) -> argparse.ArgumentParser:
    """A parser for ``python -m <module>`` whose help is the module's docstring."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_jobs_option(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how many processes run at a time."""
    text = "processes at a time (default: %(default)s)"
    parser.add_argument("--jobs", type=at_least(1), default=AT_ONCE, help=text)


def at_least(least: int) -> Callable[[str], int]:
    """The type of a whole number on the command line, for argparse.

    >>> at_least(2)("3")
    3
    """

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {value}")
        return value

    return number


def exit_status(work: Callable[[], int], next_time: str) -> int:
    """Do the work, which returns how many jobs failed: an exit status.

    While it works, a signal that ends the process is an exception, so that ``finally``
    runs.

    Args:
        work: What to do.
        next_time: Command that goes on after an interruption.
    """

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        return 1 if work() else 0
    except BusyError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; `{next_time}` goes on with what is missing.\n")
        return 128 + signal.SIGINT
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
