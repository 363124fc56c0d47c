"""One cell of a table: its name, its file, and what stands in it."""

import json
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.provenance import ROOT, hardware
from experiments.results.tables import TABLES
from lightning_modules.core.files import write_whole

RESULTS = ROOT / "docs" / "results"
RUNS = ROOT / "runs" / "results"
FEATURES = RESULTS / "features" / "mnist.safetensors"


@dataclass(frozen=True)
class Cell:
    """One measurement: a method on a task with a seed."""

    table: str
    method: str
    task: str
    seed: int

    @property
    def name(self) -> str:
        """File name without its ending."""
        return f"{self.method}--{self.task}--{self.seed}"

    @property
    def path(self) -> Path:
        """Where the finished cell is kept."""
        return RESULTS / self.table / f"{self.name}.json"

    @property
    def command(self) -> str:
        """What a reader types to measure this cell again."""
        words = (self.table, self.method, self.task, str(self.seed))
        return f"python -m experiments.results cell {' '.join(words)}"


def cells(table: str, seeds: int | None = None) -> Iterator[Cell]:
    """All cells of a table, seed by seed, so that an interrupted table is even.

    Args:
        table: Its name.
        seeds: How many for every method; None takes what the table says.
    """
    wanted = TABLES[table]
    most = seeds or max((wanted.seeds, *wanted.other_seeds.values()))
    for seed in range(most):
        for task in wanted.tasks or (table,):
            for method in wanted.methods:
                planned = wanted.seeds_of(method, task)
                if planned and seed < (seeds or planned):
                    yield Cell(table, method, task, seed)


def read(table: str) -> list[dict[str, Any]]:
    """The finished cells of a table, of more seeds than it asks for as well."""
    wanted = TABLES[table]
    known = {m: i for i, m in enumerate(wanted.methods)}
    tasks = {t: i for i, t in enumerate(wanted.tasks or (table,))}
    files = (RESULTS / table).glob("*.json")
    found = [json.loads(path.read_text()) for path in files]
    found = [c for c in found if c["method"] in known and c["task"] in tasks]
    return sorted(
        found, key=lambda c: (c["seed"], tasks[c["task"]], known[c["method"]])
    )


def write(cell: Cell, metrics: dict[str, float], seconds: float, code: str) -> None:
    """Keep a finished cell, whole or not at all; ``code`` is the commit that ran."""
    record = {
        "table": cell.table,
        "method": cell.method,
        "task": cell.task,
        "seed": cell.seed,
        "metrics": {key: float(value) for key, value in sorted(metrics.items())},
        "command": cell.command,
        "commit": code,
        "hardware": hardware(),
        "seconds": round(seconds, 1),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    write_whole(cell.path, json.dumps(record, indent=2) + "\n")


def last_picture(cell: Cell) -> Path | None:
    """The last sample picture of the cell's latest run on this machine."""
    drawn = (RUNS / cell.table / cell.name).glob(
        "version_[0-9]*/pictures/samples/[0-9]*.png"
    )
    return max(drawn, key=_version_and_step, default=None)


def _version_and_step(picture: Path) -> tuple[int, int]:
    version = picture.parents[2].name.removeprefix("version_")
    return int(version), int(picture.stem)
