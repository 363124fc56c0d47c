"""The runs of a table: a method on a task with a seed, and its record."""

import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars

from experiments import records
from experiments.provenance import hardware
from experiments.records import Record, RecordFile, record_file
from experiments.results.tables import TABLES

FEATURES = records.RESULTS / "features" / "mnist.safetensors"


@dataclass(frozen=True)
class Run:
    """A method on a task with a seed."""

    table: str
    method: str
    task: str
    seed: int

    @property
    def name(self) -> str:
        """How its log and its directory are called."""
        return f"{self.method}--{self.task}--{self.seed}"

    @property
    def command(self) -> str:
        """The command that executes this run."""
        words = (self.table, self.method, self.task, str(self.seed))
        return f"python -m experiments.results one {' '.join(words)}"


def table_file(table: str) -> RecordFile:
    """The records of a table."""
    return record_file(table, "method", "task", "seed")


def planned_runs(table: str, seeds: int | None = None) -> Iterator[Run]:
    """All runs of a table, seed by seed, so that an interrupted table is even.

    Args:
        table: Its name.
        seeds: How many for every method; None takes what the table says.
    """
    plan = TABLES[table]
    most = seeds or max((plan.seeds, *plan.other_seeds.values()))
    for seed in range(most):
        for task in plan.tasks_of(table):
            for method in plan.methods:
                planned = plan.seeds_of(method, task)
                if planned and seed < (seeds or planned):
                    yield Run(table, method, task, seed)


def users_file(table: str, method: str) -> Path:
    """Where the users of a row are; see `user_values`."""
    return records.RESULTS / "users" / table / f"{method}.parquet"


def finished_runs(table: str) -> set[Run]:
    """The runs that have a record, and users where these are compared."""
    found = {run_of(record) for record in table_file(table).read()}
    return {run for run in found if not TABLES[table].by_user or _has_users(run)}


def _has_users(run: Run) -> bool:
    path = users_file(run.table, run.method)
    return path.exists() and f"seed {run.seed}" in polars.read_parquet_schema(path)


def run_of(record: Record) -> Run:
    """The run that a record is of."""
    return Run(*(record[field] for field in ("table", "method", "task", "seed")))


def read_records(table: str) -> list[Record]:
    """The records of a table, of more seeds than it asks for as well."""
    plan = TABLES[table]
    methods = {method: i for i, method in enumerate(plan.methods)}
    tasks = {task: i for i, task in enumerate(plan.tasks_of(table))}
    shown = [
        record
        for record in table_file(table).read()
        if record["method"] in methods and record["task"] in tasks
    ]
    return sorted(
        shown, key=lambda r: (r["seed"], tasks[r["task"]], methods[r["method"]])
    )


def write_record(
    run: Run, metrics: Mapping[str, float], seconds: float, code: str
) -> None:
    """Keep the record of a finished run; ``code`` is the commit that ran."""
    record = {
        "table": run.table,
        "method": run.method,
        "task": run.task,
        "seed": run.seed,
        "metrics": {key: float(value) for key, value in sorted(metrics.items())},
        "command": run.command,
        "commit": code,
        "hardware": hardware(),
        "seconds": round(seconds, 1),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    table_file(run.table).add(record)


def last_sample_grid(run: Run) -> Path | None:
    """The last sample grid of the run's latest version on this machine."""
    grids = (records.RUNS / run.table / run.name).glob(
        "version_[0-9]*/*/samples/[0-9]*.png"
    )
    return max(grids, key=_version_and_step, default=None)


def _version_and_step(image: Path) -> tuple[int, int]:
    version = image.parents[2].name.removeprefix("version_")
    return int(version), int(image.stem)
