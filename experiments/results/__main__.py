"""Measure the missing cells of a table and rebuild docs/results.md.

    python -m experiments.results run ring8      # or: make results-ring8
    python -m experiments.results run wdgrl   # all tables whose names begin so
    python -m experiments.results cell ring8 wgan_gp ring8 0
    python -m experiments.results page

A finished cell is one file in docs/results/<table>/; an interrupted run goes on with
the cells that are missing. To measure a cell again, delete its file.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from experiments.jobs import AT_ONCE, Job, alone, exit_status, run_all
from experiments.provenance import ROOT
from experiments.report import write_page
from experiments.results.measure import measure
from experiments.results.record import FEATURES, RUNS, Cell, cells
from experiments.results.tables import TABLES

PROGRAM = (sys.executable, "-m", "experiments.results")


def run(tables: Sequence[str], jobs: int, seeds: int | None = None) -> int:
    """Measure what is missing, ``jobs`` processes at a time; returns how many failed.

    However it ends, no cell is left running and the page shows what is finished.

    Raises:
        BusyError: If another process measures one of the tables.
    """
    with ExitStack() as held:
        for table in tables:
            held.enter_context(alone(RUNS / table / "lock", f"table {table}"))
        held.callback(write_page)
        waiting = [job for table in tables for job in _jobs(table, seeds)]
        return run_all(waiting, jobs, " ".join(tables))


def _jobs(table: str, seeds: int | None) -> Iterator[Job]:
    """The missing cells; those of one method and seed can share a process."""
    missing = [cell for cell in cells(table, seeds) if not cell.path.exists()]
    together = TABLES[table].together
    while missing:
        first = missing[0]
        alike = (first.method, first.seed)
        group = [c for c in missing if (c.method, c.seed) == alike][:together]
        missing = [cell for cell in missing if cell not in group]
        tasks = ",".join(cell.task for cell in group)
        words = ("cell", table, first.method, tasks, str(first.seed))
        name = first.name if len(group) == 1 else f"{first.name}(+{len(group) - 1})"
        log = RUNS / table / f"{first.name}.log"
        yield Job(name, (*PROGRAM, *words), log)


def matching(name: str) -> list[str]:
    """The tables called so, or those whose names begin with it and a hyphen.

    >>> matching("grid25")
    ['grid25']
    >>> len(matching("wdgrl"))
    5
    """
    if name in TABLES:
        return [name]
    return [table for table in TABLES if table.startswith(f"{name}-")]


def measure_all(table: str, method: str, tasks: str, seed: int) -> int:
    """Measure the cells of one method and seed; returns an exit status."""
    wanted = [Cell(table, method, task, seed) for task in tasks.split(",")]
    known = set(cells(table, seed + 1))
    for cell in wanted:
        if cell not in known:
            sys.stderr.write(f"error: table {table} has no cell {cell.name}.\n")
            return 2
    for cell in wanted:
        measure(cell)
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="measure the missing cells of a table")
    names = ", ".join(TABLES)
    one.add_argument("table", help=f"{names}; or the beginning that several share")
    help_jobs = "processes at a time (default: %(default)s)"
    one.add_argument("--jobs", type=int, default=AT_ONCE, help=help_jobs)
    help_seeds = "seeds of every method, from 0 (default: what the table says)"
    one.add_argument("--seeds", type=int, help=help_seeds)
    one = commands.add_parser("cell", help="measure one cell, even if it is finished")
    one.add_argument("table", choices=sorted(TABLES))
    one.add_argument("method")
    one.add_argument("task", help="one, or several with commas between")
    one.add_argument("seed", type=int)
    commands.add_parser("page", help="rebuild docs/results.md from the cells")
    args = parser.parse_args()
    if args.command == "page":
        write_page()
        return 0
    tables = matching(args.table)
    if not tables:
        parser.error(f"there is no table {args.table}: choose from {', '.join(TABLES)}")
    if args.command == "run" and (args.jobs < 1 or (args.seeds or 1) < 1):
        parser.error("--jobs and --seeds must be at least 1")
    if "mnist" in tables and not FEATURES.exists():
        sys.stderr.write(
            f"error: {FEATURES.relative_to(ROOT)} is missing: train it with "
            "configs/classifier/mnist.yaml and copy its network.safetensors there.\n"
        )
        return 2
    if args.command == "cell":
        return measure_all(args.table, args.method, args.task, args.seed)
    again = f"python -m experiments.results run {args.table}"
    return exit_status(lambda: run(tables, args.jobs, args.seeds), again)


if __name__ == "__main__":
    sys.exit(main())
