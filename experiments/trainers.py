"""Trainers of short runs, without logs, checkpoints or bars."""

from typing import Any

from lightning.pytorch import Trainer


def quiet_trainer(**options: Any) -> Trainer:
    """A Trainer on the CPU that leaves nothing behind and does not validate.

    Args:
        **options: Of the Trainer, on top of these or instead of them.
    """
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "max_epochs": -1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "limit_val_batches": 0,
        "num_sanity_val_steps": 0,
    }
    return Trainer(**{**quiet, **options})
