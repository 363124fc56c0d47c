"""Where results go: numbers, images and tables to loggers, files to a directory."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor

from lightning_modules.core.lightning_internals import real_loggers


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


def run_directory(trainer: Trainer) -> Path:
    """The run's own directory: ``save_dir/name/version`` of its first logger.

    That is where Lightning puts ``checkpoints/`` too. A run without a logger has
    ``trainer.default_root_dir``. Only rank 0's answer counts, because the loggers
    of other ranks may be a version ahead or know none; to write on several ranks
    ask `agreed_run_directory`.

    Returns:
        The path; nothing is created.

    >>> run_directory(Trainer(logger=False, default_root_dir="runs")).name
    'runs'
    """
    loggers = real_loggers(trainer)
    if not loggers:
        return Path(trainer.default_root_dir)
    name, version = loggers[0].name, loggers[0].version
    root = Path(loggers[0].save_dir or trainer.default_root_dir, name or "")
    if version is None:
        return root
    return root / (version if isinstance(version, str) else f"version_{version}")


def agreed_run_directory(trainer: Trainer) -> Path:
    """What `run_directory` says on rank 0, told to all; call it on every rank."""
    return Path(trainer.strategy.broadcast(str(run_directory(trainer))))
