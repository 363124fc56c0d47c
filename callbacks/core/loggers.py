"""Numbers, images and tables on their way to the loggers."""

from collections.abc import Callable, Mapping

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor


def log_scalars(trainer: Trainer, values: Mapping[str, Tensor | float]) -> None:
    """Send numbers to every logger at the current step.

    ``LightningModule.log`` reaches the loggers only on batches that
    ``log_every_n_steps`` picks, so what a callback measures on other steps would be
    lost. The numbers are put into ``trainer.callback_metrics`` as well, for scripts.
    """
    numbers = {name: float(value) for name, value in values.items()}
    for logger in trainer.loggers:
        logger.log_metrics(numbers, step=trainer.global_step)
    trainer.callback_metrics.update({k: torch.tensor(v) for k, v in numbers.items()})


def log_media(
    trainer: Trainer,
    to_wandb: Callable[[WandbLogger], object],
    to_tensorboard: Callable[[TensorBoardLogger], object],
) -> bool:
    """Send something to every logger that can show more than numbers.

    Returns:
        Whether there was such a logger; if not, the caller writes a file.
    """
    shown = False
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            to_wandb(logger)
        elif isinstance(logger, TensorBoardLogger):
            to_tensorboard(logger)
        else:
            continue
        shown = True
    return shown
