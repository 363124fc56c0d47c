"""Measure the missing cells of a table and rebuild docs/results.md.

    python scripts/results.py run ring8      # or: make results-ring8
    python scripts/results.py cell ring8 wgan_gp ring8 0
    python scripts/results.py page

A finished cell is one file in docs/results/<table>/; an interrupted run goes on with
the cells that are missing. To measure a cell again, delete its file.
"""

import argparse
import os
import subprocess
import sys
import time
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


def run(table: str, jobs: int) -> int:
    """Measure what is missing, ``jobs`` cells at a time; returns how many failed."""
    missing = [cell for cell in cells(table) if not cell.path.exists()]
    running: dict[Cell, subprocess.Popen[bytes]] = {}
    failed = 0
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(TextColumn("{task.description}"), *columns) as progress:
        bar = progress.add_task(table, total=len(missing))
        try:
            while missing or running:
                while missing and len(running) < jobs:
                    running[missing[0]] = _start(missing.pop(0))
                progress.update(bar, description=" ".join(c.name for c in running))
                time.sleep(0.5)
                for cell in [
                    c for c, process in running.items() if process.poll() is not None
                ]:
                    if running.pop(cell).returncode:
                        failed += 1
                        progress.console.print(f"{cell.name} failed: see {_log(cell)}")
                    progress.advance(bar)
        finally:
            for process in running.values():
                process.terminate()
    write_page()
    return failed


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


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="measure the missing cells of a table")
    one.add_argument("table", choices=sorted(TABLES))
    one.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
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
        return 1 if run(args.table, args.jobs) else 0
    wanted = Cell(args.table, args.method, args.task, args.seed)
    if wanted not in set(cells(args.table)):
        sys.stderr.write(f"error: table {args.table} has no cell {wanted.name}.\n")
        return 2
    measure(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
