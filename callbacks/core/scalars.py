"""Numbers that callbacks measure now and then."""

from collections.abc import Mapping

import lightning.pytorch as pl
import torch
from torch import Tensor

from lightning_modules.generative.base import GenerativeModule


def log_scalars(trainer: pl.Trainer, values: Mapping[str, Tensor | float]) -> None:
    """Send numbers to every logger at the current player update.

    ``LightningModule.log`` reaches the loggers only on batches that
    ``log_every_n_steps`` picks, so what a callback measures on other steps would be
    lost. The numbers are put into ``trainer.callback_metrics`` as well, for scripts.
    """
    numbers = {name: float(value) for name, value in values.items()}
    for logger in trainer.loggers:
        logger.log_metrics(numbers, step=trainer.global_step)
    trainer.callback_metrics.update({k: torch.tensor(v) for k, v in numbers.items()})


def due(trainer: pl.Trainer, pl_module: pl.LightningModule, every_n_steps: int) -> bool:
    """Whether the batch that just ended made a player update that ``n`` divides."""
    stepped = getattr(pl_module, "player_stepped", True)
    return bool(stepped) and trainer.global_step % every_n_steps == 0


def at_least_one(name: str, value: int) -> int:
    """Return the number, or say which key is wrong.

    Raises:
        ValueError: If the number is below 1.
    """
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}.")
    return value


def generative(callback: pl.Callback, module: pl.LightningModule) -> GenerativeModule:
    """Return the module, or say that the callback has nothing to do there.

    Raises:
        ValueError: If the module has no generator to draw samples from.
    """
    if not isinstance(module, GenerativeModule):
        raise ValueError(
            f"{type(callback).__name__} draws samples, and {type(module).__name__} has "
            "no generator: take it out of trainer.callbacks."
        )
    return module
