"""Run what is missing of a table and rebuild docs/results.md.

    python -m experiments.results run ring8      # or: make results-ring8
    python -m experiments.results run wdgrl      # all tables whose names begin so
    python -m experiments.results one ring8 wgan_gp ring8 0
    python -m experiments.results page

The record of a finished run is a line of docs/results/<table>.jsonl; an interrupted
table goes on with the runs that have none. To measure a run again, delete its line.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from experiments import jobs, records
from experiments.provenance import ROOT, require_root
from experiments.results.execute import execute
from experiments.results.page import write_page
from experiments.results.runs import (
    FEATURES,
    Run,
    finished_runs,
    planned_runs,
    table_file,
)
from experiments.results.tables import TABLES

PROGRAM = (sys.executable, "-m", "experiments.results")


def run(tables: Sequence[str], at_once: int, seeds: int | None = None) -> int:
    """Run what is missing, ``at_once`` processes at a time; returns how many failed.

    However it ends, no run is left behind and the page shows what is finished.

    Raises:
        BusyError: If another process runs one of the tables.
    """
    with ExitStack() as stack:
        for table in tables:
            lock = records.RUNS / table / "lock"
            stack.enter_context(jobs.alone(lock, f"table {table}"))
            table_file(table).merge()
        stack.callback(_show, tables)
        waiting = [job for table in tables for job in _jobs(table, seeds)]
        return jobs.run_all(waiting, at_once, " ".join(tables))


def _show(tables: Sequence[str]) -> None:
    for table in tables:
        table_file(table).merge()
    write_page()


def _jobs(table: str, seeds: int | None) -> Iterator[jobs.Job]:
    """The missing runs; those of one method and seed can share a process."""
    finished = finished_runs(table)
    missing = [run for run in planned_runs(table, seeds) if run not in finished]
    together = TABLES[table].together
    while missing:
        first = missing[0]
        alike = (first.method, first.seed)
        group = [r for r in missing if (r.method, r.seed) == alike][:together]
        missing = [run for run in missing if run not in group]
        tasks = ",".join(run.task for run in group)
        words = ("one", table, first.method, tasks, str(first.seed))
        name = first.name if len(group) == 1 else f"{first.name}(+{len(group) - 1})"
        log = records.RUNS / table / f"{first.name}.log"
        yield jobs.Job(name, (*PROGRAM, *words), log)


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


def execute_all(table: str, method: str, tasks: str, seed: int) -> int:
    """Execute the runs of one method and seed; returns an exit status."""
    runs = [Run(table, method, task, seed) for task in tasks.split(",")]
    planned = set(planned_runs(table, seed + 1))
    for run in runs:
        if run not in planned:
            sys.stderr.write(f"error: table {table} has no run {run.name}.\n")
            return 2
    for run in runs:
        execute(run)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = jobs.command_parser("experiments.results", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run what is missing of a table")
    names = ", ".join(TABLES)
    one.add_argument("table", help=f"{names}; or the beginning that several share")
    jobs.add_jobs_option(one)
    help_seeds = "seeds of every method, from 0 (default: what the table says)"
    one.add_argument("--seeds", type=jobs.at_least(1), help=help_seeds)
    one = commands.add_parser("one", help="execute one run, even if it is finished")
    one.add_argument("table", choices=sorted(TABLES))
    one.add_argument("method")
    one.add_argument("task", help="one, or several with commas between")
    one.add_argument("seed", type=int)
    commands.add_parser("page", help="rebuild docs/results.md from the records")
    return parser


def main() -> int:
    """The command line."""
    parser = _parser()
    args = parser.parse_args()
    if args.command == "page":
        write_page()
        return 0
    tables = matching(args.table)
    if not tables:
        parser.error(f"there is no table {args.table}: choose from {', '.join(TABLES)}")
    if "mnist" in tables and not FEATURES.exists():
        sys.stderr.write(
            f"error: {FEATURES.relative_to(ROOT)} is missing: train it with "
            "configs/classifier/mnist.yaml and copy its network.safetensors there.\n"
        )
        return 2
    if args.command == "one":
        return execute_all(args.table, args.method, args.task, args.seed)
    again = f"python -m experiments.results run {args.table}"
    return jobs.exit_status(lambda: run(tables, args.jobs, args.seeds), again)


if __name__ == "__main__":
    require_root()
    sys.exit(main())
