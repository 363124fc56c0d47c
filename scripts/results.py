"""Measure the missing cells of a table and rebuild docs/results.md.

    python scripts/results.py run ring8      # or: make results-ring8
    python scripts/results.py cell ring8 wgan_gp ring8 0
    python scripts/results.py page

A finished cell is one file in docs/results/<table>/; an interrupted run goes on with
the cells that are missing. To measure a cell again, delete its file.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.cells import FEATURES, RUNS, TABLES, Cell, cells, measure  # noqa: E402
from scripts.jobs import AT_ONCE, Job, alone, exit_status, run_all  # noqa: E402
from scripts.page import write_page  # noqa: E402


def run(table: str, jobs: int) -> int:
    """Measure what is missing, ``jobs`` cells at a time; returns how many failed.

    However it ends, no cell is left running and the page shows what is finished.

    Raises:
        BusyError: If another process measures this table.
    """
    with alone(RUNS / table / "lock", f"table {table}"):
        try:
            missing = [cell for cell in cells(table) if not cell.path.exists()]
            return run_all([_job(cell) for cell in missing], jobs, table)
        finally:
            write_page()


def _job(cell: Cell) -> Job:
    words = (cell.table, cell.method, cell.task, str(cell.seed))
    log = RUNS / cell.table / f"{cell.name}.log"
    return Job(cell.name, (sys.executable, __file__, "cell", *words), log)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="measure the missing cells of a table")
    one.add_argument("table", choices=sorted(TABLES))
    help_jobs = "cells at a time (default: %(default)s)"
    one.add_argument("--jobs", type=int, default=AT_ONCE, help=help_jobs)
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
    if args.command == "run" and args.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {args.jobs}")
    if args.table == "mnist" and not FEATURES.exists():
        sys.stderr.write(
            f"error: {FEATURES.relative_to(ROOT)} is missing: train it with "
            "configs/classifier/mnist.yaml and copy its network.safetensors there.\n"
        )
        return 2
    if args.command == "run":
        again = f"python scripts/results.py run {args.table}"
        return exit_status(lambda: run(args.table, args.jobs), again)
    wanted = Cell(args.table, args.method, args.task, args.seed)
    if wanted not in set(cells(args.table)):
        sys.stderr.write(f"error: table {args.table} has no cell {wanted.name}.\n")
        return 2
    measure(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
