"""Shipped experiments made short, their folders, and what must hold of these."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from experiments.provenance import ROOT
from lightning_modules.core.files import damage
from tests.support.trainers import same
from wasserstein_critics.cli.config_files import read_config

CASES = (
    *("wgan_gp/ring8", "wgan/ring8", "gan/ring8", "wdgrl/digits_shift"),
    *("dann/digits_shift", "coral/digits_shift", "mmd/digits_shift"),
    *("deepjdot/digits_shift", "source_only/digits_shift"),
    *("cml/planted", "smooth_cml/planted", "bpr/planted", "warp/planted"),
    *("metric_learner/wine", "classifier/digits"),
)
NO_PREDICTION = {"classifier/digits"}
ON_TWO = ("wgan_gp/ring8", "wdgrl/digits_shift", "cml/planted", "bpr/planted")
PARTS = (
    *("global_step", "epoch", "state_dict", "optimizer_states", "lr_schedulers"),
    *("noise", "schedule", "random_states"),
)
LOGGER = {"class_path": "CSVLogger", "init_args": {"save_dir": "runs", "name": "r"}}
SAVES = {
    "class_path": "callbacks.Checkpoint",
    "init_args": {"every_n_train_steps": 3, "save_last": True},
}
SHORT = {
    "max_steps": 14,
    "max_epochs": None,
    "val_check_interval": 6,
    "check_val_every_n_epoch": None,
    "limit_predict_batches": 2,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": LOGGER,
}
KEPT = ("EMA", "Network", "Writer", "Table", "TopK")


def settings(case: str, workers: int) -> dict[str, Any]:
    """A shipped experiment made short, with a checkpoint every third step."""
    job = read_config(ROOT / "configs" / f"{case}.yaml")
    callbacks = job["trainer"]["callbacks"]
    kept = [one for one in callbacks if one["class_path"].endswith(KEPT)]
    job["trainer"] |= SHORT | {
        "limit_val_batches": 0 if "ring8" in case else 1,  # exact transport is slow
        "callbacks": [*kept, SAVES],
    }
    job["data"].setdefault("init_args", {})["num_workers"] = workers
    return job


def fit_words(devices: int) -> list[str]:
    """The command that trains the job of a folder."""
    several = [f"--trainer.devices={devices}", "--trainer.strategy=ddp_fork"]
    return ["fit", "--config", "job.yaml", *(several if devices > 1 else [])]


def predict_words(folder: Path) -> list[str]:
    """The command that predicts with the last checkpoint."""
    return ["predict", "--config", "job.yaml", *resumed(folder)]


def resumed(folder: Path) -> list[str]:
    """The option that goes on with a run, if it has a checkpoint."""
    path = last_of(folder)
    return ["--ckpt_path", str(path)] if path else []


def last_of(folder: Path) -> Path | None:
    """The last checkpoint of the newest run that has one."""
    found = sorted(folder.glob("runs/r/version_*/checkpoints/last.ckpt"))
    return found[-1] if found else None


@contextlib.contextmanager
def trial_folder() -> Iterator[Path]:
    """A folder of a trial, removed after it."""
    with tempfile.TemporaryDirectory(
        prefix="torture-", ignore_cleanup_errors=True
    ) as path:
        yield Path(path)


def whole_files(folder: Path) -> list[str]:
    """Which checkpoints of a folder are damaged."""
    return [
        f"{path.name}: {wrong}"
        for path in folder.glob("runs/r/*/checkpoints/*.ckpt")
        if (wrong := damage(path))
    ]


def differences(first: Path, second: Path) -> list[str]:
    """In what two finished runs differ."""
    states = [torch.load(path, weights_only=True) for path in (first, second)]
    found = [p for p in PARTS if not same(states[0].get(p), states[1].get(p))]
    rows = [(path.parents[1] / "metrics.csv").read_bytes() for path in (first, second)]
    return found + (["metrics.csv"] if rows[0] != rows[1] else [])


def leftovers(run_folder: Path) -> list[str]:
    """Unfinished files of a run, and of what was last predicted from it.

    A folder that nobody has gone on in keeps what the kill left.
    """
    predicted = sorted(run_folder.glob("predict-*"), key=lambda p: p.stat().st_mtime)
    return [
        f"{path.relative_to(run_folder)} remains"
        for folder in (run_folder, run_folder / "checkpoints", *predicted[-1:])
        for path in folder.iterdir()
        if path.name.endswith((".part", ".building"))
    ]
