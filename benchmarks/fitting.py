"""What `trainer.fit` costs between the first step and the last."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import CSVLogger

from benchmarks.timing import Spent, spending
from callbacks import UpdateProgress

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "max_epochs": -1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "limit_val_batches": 0,
}


class Stopwatch(pl.Callback):
    """Times the training loop, without what is done before and after it."""

    def __init__(self, spent: Spent) -> None:
        self._block = spending(spent)

    def on_train_start(self, *_: Any) -> None:
        """Right before the first batch."""
        self._block.__enter__()

    def on_train_end(self, *_: Any) -> None:
        """Right after the last."""
        self._block.__exit__(None, None, None)


def fit(
    module: pl.LightningModule, data: pl.LightningDataModule, steps: int, **options: Any
) -> Spent:
    """Train for some player updates on the CPU, without logging or checkpoints.

    Args:
        module: What is trained.
        data: What it is trained on.
        steps: Player updates.
        **options: Of the Trainer, instead of `QUIET`'s.
    """
    spent = Spent(units=steps)
    chosen = {**QUIET, **options, "max_steps": steps}
    chosen["callbacks"] = [*chosen.get("callbacks", ()), Stopwatch(spent)]
    pl.Trainer(**chosen).fit(module, data)
    return spent


def watched(folder: Path) -> dict[str, Any]:
    """Options of a run that somebody looks at: a bar, and values every 50 steps."""
    return {
        "logger": CSVLogger(folder),
        "log_every_n_steps": 50,
        "callbacks": [UpdateProgress()],
    }
