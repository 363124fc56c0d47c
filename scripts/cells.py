"""One cell of a table: its name, its file, and what stands in it."""

import json
import os
import platform
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callbacks.files import write_whole
from scripts.tables import TABLES

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
RUNS = ROOT / "runs" / "results"
FEATURES = RESULTS / "features" / "mnist.safetensors"
CODE = (
    "lightning_modules",
    "datamodules",
    "callbacks",
    "configs",
    "scripts",
    "benchmarks",
    "train.py",
)


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
        return f"python scripts/results.py cell {' '.join(words)}"


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


def commit() -> str:
    """The checked-out commit, with ``+`` if tracked code differs from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    changed = subprocess.run(
        [*git, "diff", "--quiet", "HEAD", "--", *CODE], check=False
    ).returncode
    return (head.stdout.strip() or "unknown") + ("+" if changed else "")


def hardware() -> str:
    """Processor, cores used, and torch's version."""
    import torch

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return (
        f"{model}, {torch.get_num_threads()} of {os.cpu_count()} cores, "
        f"torch {torch.__version__}"
    )


def last_picture(cell: Cell) -> Path | None:
    """The last sample picture of the cell's latest run on this machine."""
    drawn = (RUNS / cell.table / cell.name).glob(
        "version_[0-9]*/pictures/samples/[0-9]*.png"
    )
    return max(drawn, key=_version_and_step, default=None)


def _version_and_step(picture: Path) -> tuple[int, int]:
    version = picture.parents[2].name.removeprefix("version_")
    return int(version), int(picture.stem)


def data_root() -> Path:
    """Where the data sets lie: ``WASSERSTEIN_DATA``, or ``data`` here."""
    return Path(os.environ.get("WASSERSTEIN_DATA") or "data")
