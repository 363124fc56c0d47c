"""One cell of a table: where it is kept, and how it is measured."""

import json
import os
import platform
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callbacks.files import write_whole
from scripts.tables import REAL, TABLES

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
                if seed < (seeds or wanted.seeds_of(method, task)):
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


def measure(cell: Cell) -> None:
    """Train, test and keep one cell; the clock runs over training alone."""
    code = commit()  # now: somebody may commit while the cell trains
    if cell.table == "demo":
        from scripts.demo import demo

        metrics = demo(cell.seed, _run_arguments(cell))
        seconds = metrics["fit_seconds"]
    elif cell.method == REAL:
        metrics, seconds = _real_data(cell), 0.0
    else:
        metrics, seconds = _train(cell)
    write(cell, metrics, seconds, code)


def _arguments(cell: Cell, method: str) -> list[str]:
    config = TABLES[cell.table].config(cell.task)
    return [
        f"--config={ROOT / 'configs' / method / config}.yaml",
        f"--seed_everything={cell.seed}",
        f"--data.seed={cell.seed}",
        *_run_arguments(cell),
        *_mnist_arguments(cell),
        *TABLES[cell.table].options(cell.task, data_root()),
    ]


def _run_arguments(cell: Cell) -> list[str]:
    return [
        f"--trainer.logger.init_args.save_dir={RUNS / cell.table}",
        f"--trainer.logger.init_args.name={cell.name}",
        "--trainer.enable_progress_bar=false",
    ]


def _mnist_arguments(cell: Cell) -> list[str]:
    if cell.task != "mnist":
        return []
    callback = json.dumps(
        {
            "class_path": "callbacks.FeatureMetrics",
            "init_args": {"classifier": str(FEATURES)},
        }
    )
    return [f"--data.root={_mnist_root()}", f"--trainer.callbacks+={callback}"]


def _train(cell: Cell) -> tuple[dict[str, float], float]:
    from callbacks import run_directory
    from lightning_modules.adaptation import AdaptationModule
    from train import command_line

    start = time.monotonic()
    cli = command_line(["fit", *_arguments(cell, cell.method)])
    seconds = time.monotonic() - start
    if isinstance(cli.model, AdaptationModule):
        shutil.rmtree(run_directory(cli.trainer) / "checkpoints", ignore_errors=True)
        return _adapted(cli.trainer), seconds
    cli.trainer.test(cli.model, cli.datamodule, verbose=False)
    return _tested(cli.trainer), seconds


ADAPTED = {
    "last/accuracy": "val/target_accuracy_last",
    "selected/accuracy": "val/target_accuracy_selected",
    "best/accuracy": "val/target_accuracy_oracle",
    "last/class_accuracy": "val/target_class_accuracy",
    "last/source_accuracy": "val/source_accuracy",
    "last/im": "val/target_im",
    "last/domain_loss": "train/domain_loss",
}


def _adapted(trainer: Any) -> dict[str, float]:
    """What the last validation found; DANN also has a loss of its discriminator."""
    found = trainer.callback_metrics
    return {ours: float(found[key]) for ours, key in ADAPTED.items() if key in found}


def _tested(trainer: Any) -> dict[str, float]:
    values = trainer.callback_metrics.items()
    return {
        k.removeprefix("test/"): float(v) for k, v in values if k.startswith("test/")
    }


def _real_data(cell: Cell) -> dict[str, float]:
    """The metrics of training data in the place of samples."""
    import torch

    from callbacks.feature_metrics import class_share_range
    from datamodules import MNIST, PointClouds
    from lightning_modules.metrics import FrozenFeatures, ModeCoverage, feature_scores

    points = cell.task != "mnist"
    data = PointClouds(cell.task) if points else MNIST(_mnist_root())  # type: ignore[arg-type]
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    real = data.real("train")
    order = torch.randperm(
        len(real), generator=torch.Generator().manual_seed(cell.seed)
    )
    if isinstance(data, PointClouds):
        assert data.modes is not None
        coverage = ModeCoverage(data.modes, data.mode_std)
        coverage.update(real[order[:2500]])
        return {name: float(value) for name, value in coverage.compute().items()}
    network = FrozenFeatures.from_file(str(FEATURES))
    features, logits = network.features_and_logits(real[order[:10_000]])
    scores = feature_scores(network(data.real("test")), features, logits, 1000, 20, 0)
    found = {**scores, **class_share_range(logits)}
    return {name: float(value) for name, value in found.items()}


def _mnist_root() -> str:
    root = data_root()
    return str(root / "mnist") if "WASSERSTEIN_DATA" in os.environ else str(root)


def data_root() -> Path:
    """Where the data sets lie: ``WASSERSTEIN_DATA``, or ``data`` here."""
    return Path(os.environ.get("WASSERSTEIN_DATA") or "data")
