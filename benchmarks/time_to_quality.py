"""Time to quality: rankers of Last.fm by the CPU time that they have trained for.

Each is trained once, by its shipped experiment and seed 0, and validated about 40
times; `WRMF` and `ImplicitBPR` are implicit's own loops, which are validated at their
end. The clock stands still while a model is validated.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from matplotlib.figure import Figure
from rich.progress import track
from typing_extensions import override

from benchmarks.comparison import Row, seconds
from experiments import records
from experiments.provenance import data_root
from experiments.trainers import quiet_trainer
from lightning_modules.core.files import write_whole
from wasserstein_critics.cli.config_files import read_config
from wasserstein_critics.recommend import built
from wasserstein_critics.shipped import FOLDER

METHODS = {
    "smooth_cml": "SmoothCML",
    "cml": "CML",
    "lightgcn": "LightGCN, in torch",
    "lightgcn_plus_plus": "LightGCN++, in torch",
    "bpr": "BPR",
    "wrmf": "implicit's ALS",
    "implicit_bpr": "implicit's BPR",
}
LEVELS = (0.14, 0.16, 0.18, 0.19, 0.2)
METRIC = "val/ndcg@20"
TIMES = 40  # validations of a run
PASSES = ("sweeps", "epochs")  # what implicit's loops call their passes over the pairs

Curve = Sequence[tuple[float, float]]
"""Seconds of training before each validation, and what it found."""


class Clock(pl.Callback):
    """CPU time of a fit without its validations."""

    def __init__(self) -> None:
        self.curve: list[tuple[float, float]] = []
        self.total = self._spent = self._since = 0.0

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since = time.process_time()

    @override
    def on_validation_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        self._spent += time.process_time() - self._since

    @override
    def on_validation_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        self.curve.append((self._spent, float(trainer.callback_metrics[METRIC])))
        self._since = time.process_time()

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.total = self._spent + time.process_time() - self._since


def time_to_quality() -> list[Row]:
    """A row for each method, and docs/figures/time_to_quality.png."""
    rows, curves = [], {}
    for method, label in track(METHODS.items(), "time_to_quality", transient=True):
        config = read_config(FOLDER / method / "lastfm.yaml")
        config["data"]["init_args"]["root"] = str(data_root() / "lastfm-lightgcnpp")
        clock, pairs = trained(config)
        rows.append(quality_row(label, clock, pairs))
        curves[label] = clock.curve
    figure = drawn(curves)
    path = records.RESULTS.parent / "figures" / "time_to_quality.png"
    write_whole(path, lambda file: figure.savefig(file, dpi=100))
    return rows


def trained(config: Mapping[str, Any]) -> tuple[Clock, int]:
    """What an experiment took and found, and how many pairs it went through."""
    data, model = built("data", config["data"]), built("model", config["model"])
    given, clock = config["trainer"], Clock()
    pl.seed_everything(0, verbose=False)
    quiet_trainer(
        max_epochs=given["max_epochs"],
        limit_train_batches=given.get("limit_train_batches", 1.0),
        limit_val_batches=1.0,
        check_val_every_n_epoch=max(1, given["max_epochs"] // TIMES),
        callbacks=[clock],
    ).fit(model, data)
    own = config["model"]["init_args"]
    passes = next((own[name] for name in PASSES if name in own), given["max_epochs"])
    return clock, passes * len(data.interactions("train"))


def quality_row(label: str, clock: Clock, pairs: int) -> Row:
    """A method's row."""
    first = {
        f"to {level}": next((seconds(t) for t, v in clock.curve if v >= level), "-")
        for level in LEVELS
    }
    return {
        "method": label,
        "pairs per second": f"{pairs / clock.total:,.0f}",
        "training": seconds(clock.total),
        "best NDCG@20": f"{max(found for _, found in clock.curve):.4f}",
        **first,
    }


def drawn(curves: Mapping[str, Curve]) -> Figure:
    """The curves; a method with one validation is a point."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(
        xscale="log",
        xlabel="CPU time of training, seconds",
        ylabel="NDCG@20 of validation users",
        title="Last.fm, one thread",
    )
    for label, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), marker=".", label=label)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
