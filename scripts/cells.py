"""The tables of docs/results.md, and how one cell of them is measured."""

import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callbacks.files import write_whole

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
METHODS = ("gan", "wgan", "wgan_gp")
REAL = "real_data"  # the data set itself, measured as if it were samples


@dataclass(frozen=True)
class Column:
    """One metric of a table: its name in the cell, its heading, and how to print it."""

    key: str
    heading: str
    form: str = "{:.2f}"
    factor: float = 1.0


@dataclass(frozen=True)
class Table:
    """Which cells a table has."""

    title: str
    columns: Sequence[Column]
    seeds: int
    methods: Sequence[str] = METHODS
    tasks: Sequence[str] = ()
    extra: Sequence[str] = field(default_factory=tuple)
    note: str = ""


_MODES = (
    Column("modes", "modes", "{:.1f}"),
    Column("high_quality", "high quality, %", "{:.1f}", 100.0),
    Column("reverse_kl", "reverse KL", "{:.4f}"),
)
_POINTS_NOTE = (
    "2,500 samples; high quality: within 3 standard deviations of the nearest mode; a "
    "mode counts once one such sample is near it; reverse KL of those samples' modes "
    "against the uniform law, in nats. None of these sees whether a mode is as wide as "
    "the data's: for that a cell's file has exact W1 to test points, `wasserstein`. "
    "`real_data` is a perfect sampler. The published "
    "rows train other networks for longer and on another device; ± in them is the "
    "standard error over 10 runs."
)
TABLES = {
    "ring8": Table(
        "Ring of 8 Gaussians", _MODES, 5, (*METHODS, REAL), note=_POINTS_NOTE
    ),
    "grid25": Table(
        "Grid of 25 Gaussians", _MODES, 5, (*METHODS, REAL), note=_POINTS_NOTE
    ),
    "mnist": Table(
        "MNIST",
        (
            Column("fid", "FID"),
            Column("min_class_share", "rarest class, %", "{:.1f}", 100.0),
            Column("max_class_share", "commonest class, %", "{:.1f}", 100.0),
        ),
        3,
        (*METHODS, REAL),
        note="10,000 samples against the 10,000 test images, in the 64 features of the "
        "project's own classifier (docs/results/features/mnist.safetensors): FIDs are "
        "on that scale, not on Inception's, so the published rows are context only. "
        "`real_data` is a random sample of 10,000 training images, drawn by the seed.",
    ),
    "demo": Table(
        "`make demo`: half of scikit-learn's digits",
        (
            Column("w1_start", "W1 at start"),
            Column("w1_end", "W1 at end", "{:.3f}"),
            Column("w1_halves", "W1 of the halves", "{:.3f}"),
            Column("w1_ratio", "ratio", "{:.3f}"),
            Column("two_sample_accuracy", "1-NN accuracy", "{:.3f}"),
            Column("distinct_neighbours", "distinct neighbours", "{:.0f}"),
            Column("min_class_share", "rarest class, %", "{:.1f}", 100.0),
            Column("max_class_share", "commonest class, %", "{:.1f}", 100.0),
        ),
        3,
        ("wgan_gp",),
        ("digits",),
        note="Exact Wasserstein-1 distance between 898 samples and the 898 held-out "
        "digits, pixels in [-1, 1]; the halves' own distance is what a perfect sampler "
        "reaches. Leave-one-out 1-NN accuracy: 0.5 is ideal. Distinct neighbours: how "
        "many of the training digits are nearest to some sample.",
    ),
}


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


def cells(table: str) -> Iterator[Cell]:
    """All cells of a table, seed by seed, so that an interrupted table is even."""
    wanted = TABLES[table]
    for seed in range(wanted.seeds):
        for task in wanted.tasks or (table,):
            for method in wanted.methods:
                yield Cell(table, method, task, seed)


def read(table: str) -> list[dict[str, Any]]:
    """The finished cells of a table."""
    found = (cell.path for cell in cells(table) if cell.path.exists())
    return [json.loads(path.read_text()) for path in found]


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
    return [
        f"--config={ROOT / 'configs' / method / cell.task}.yaml",
        f"--seed_everything={cell.seed}",
        f"--data.seed={cell.seed}",
        *_run_arguments(cell),
        *_mnist_arguments(cell),
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
    from train import command_line

    start = time.monotonic()
    cli = command_line(["fit", *_arguments(cell, cell.method)])
    seconds = time.monotonic() - start
    cli.trainer.test(cli.model, cli.datamodule, verbose=False)
    return _tested(cli.trainer), seconds


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
    data = os.environ.get("WASSERSTEIN_DATA")
    return str(Path(data, "mnist")) if data else "data"
