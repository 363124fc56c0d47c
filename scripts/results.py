"""Measure the missing cells of a table and rebuild docs/results.md.

    python scripts/results.py run ring8      # or: make results-ring8
    python scripts/results.py cell ring8 wgan_gp ring8 0
    python scripts/results.py page

A finished cell is one file in docs/results/<table>/; an interrupted run goes on with
the cells that are missing. To measure a cell again, delete its file.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.cells import FEATURES, RUNS, TABLES, Cell, cells, measure  # noqa: E402
from scripts.page import write_page  # noqa: E402

POLL = 0.5  # seconds between looks at the running cells
PATIENCE = 60.0  # seconds that a cell has for ending when asked to


class BusyError(RuntimeError):
    """Another process is measuring this table."""


def run(table: str, jobs: int) -> int:
    """Measure what is missing, ``jobs`` cells at a time; returns how many failed.

    However it ends, no cell is left running and the page shows what is finished.

    Raises:
        BusyError: If another process measures this table.
    """
    with _alone(table):
        try:
            return _measure_missing(table, jobs)
        finally:
            write_page()


def _measure_missing(table: str, jobs: int) -> int:
    missing = [cell for cell in cells(table) if not cell.path.exists()]
    running: dict[Cell, subprocess.Popen[bytes]] = {}
    failed = 0
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(TextColumn("{task.description}"), *columns) as progress:
        bar = progress.add_task(table, total=len(missing))
        try:
            while missing or running:
                while missing and len(running) < jobs:
                    cell = missing.pop(0)
                    running[cell] = _start(cell)
                progress.update(bar, description=" ".join(c.name for c in running))
                time.sleep(POLL)
                for cell in [c for c, p in running.items() if p.poll() is not None]:
                    if running.pop(cell).returncode:
                        failed += 1
                        progress.console.print(f"{cell.name} failed: see {_log(cell)}")
                    progress.advance(bar)
        finally:
            _end(running.values())
    return failed


def _end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
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
def _alone(table: str) -> Iterator[None]:
    """Hold the table's lock, which names the process that measures it."""
    lock = RUNS / table / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    if lock.exists() and not _alive(lock.read_text()):
        lock.unlink()
    try:
        with lock.open("x") as file:  # O_EXCL: one of several wins
            file.write(str(os.getpid()))
    except FileExistsError:
        holder = lock.read_text() or "unknown"
        raise BusyError(
            f"table {table} is being measured by process {holder}: wait for it to end."
        ) from None
    try:
        yield
    finally:
        lock.unlink()


def _alive(pid: str) -> bool:
    if not pid:  # just made, its process is about to write its number
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _start(cell: Cell) -> subprocess.Popen[bytes]:
    """One cell in its own process, on one core, its output in a file."""
    log = _log(cell)
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [cell.table, cell.method, cell.task, str(cell.seed)]
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, __file__, "cell", *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def _log(cell: Cell) -> Path:
    return RUNS / cell.table / f"{cell.name}.log"


def _run(table: str, jobs: int) -> int:
    """`run` from the command line: its outcome as an exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return 1 if run(table, jobs) else 0
    except BusyError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command goes on with what is missing.\n")
        return 128 + signal.SIGINT


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="measure the missing cells of a table")
    one.add_argument("table", choices=sorted(TABLES))
    # Each cell takes a core and about 1 GB: more than two at once have to be wanted.
    jobs = min(2, os.cpu_count() or 1)
    one.add_argument(
        "--jobs", type=int, default=jobs, help="cells at a time (default: %(default)s)"
    )
    one = commands.add_parser("cell", help="measure one cell, even if it is finished")
    one.add_argument("table", choices=sorted(TABLES))
    one.add_argument("method")
    one.add_argument("task")
    one.add_argument("seed", type=int)
    commands.add_parser("page", help="rebuild docs/results.md from the cells")
    args = parser.parse_args()
    if args.command == "page":
        write_page()
        return 0
    if args.table == "mnist" and not FEATURES.exists():
        sys.stderr.write(
            f"error: {FEATURES.relative_to(ROOT)} is missing: train it with "
            "configs/classifier/mnist.yaml and copy its network.safetensors there.\n"
        )
        return 2
    if args.command == "run":
        return _run(args.table, args.jobs)
    wanted = Cell(args.table, args.method, args.task, args.seed)
    if wanted not in set(cells(args.table)):
        sys.stderr.write(f"error: table {args.table} has no cell {wanted.name}.\n")
        return 2
    measure(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
