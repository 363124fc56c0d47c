"""Flags of the trainer, and the seed, whose values can't be honoured."""

import json

import torch
from jsonargparse import Namespace

from lightning_modules.core.validation import MAX_SEED
from wasserstein_critics.cli.errors import UsageError

_LEAST = {
    "check_val_every_n_epoch": (1, "null counts batches across epochs"),
    "log_every_n_steps": (0, "0 logs nothing"),
    "num_sanity_val_steps": (-1, "-1 runs all batches"),
}
_BUDGETS = ("max_steps", "max_epochs", "limit_train_batches")


def check_values(config: Namespace, subcommand: str) -> None:
    """Refuse values that Lightning answers with a traceback, or ignores.

    Args:
        config: Parsed configuration of one subcommand.
        subcommand: Its name.

    Raises:
        UsageError: With the key and the remedy.
    """
    _check_seed(config.seed_everything)
    _check_numbers(config.trainer)
    if subcommand == "fit":
        _check_budget(config.trainer)
    _check_devices(config.trainer)


def has_gpu() -> bool:
    """Whether an accelerator is found that numbers its devices."""
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _check_seed(seed: int | bool) -> None:
    if isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise UsageError(
            f"seed_everything must be a whole number from 0 to {MAX_SEED}, but is "
            f"{json.dumps(seed)}."
        )


def _check_numbers(trainer: Namespace) -> None:
    for flag, (least, meaning) in _LEAST.items():
        if trainer[flag] is not None and trainer[flag] < least:
            raise UsageError(
                f"trainer.{flag} must be at least {least} ({meaning}), but is "
                f"{trainer[flag]}."
            )
    interval = trainer.val_check_interval
    if isinstance(interval, int | float) and interval == 0:
        raise UsageError(
            "trainer.val_check_interval must be above 0, but is 0: to leave validation "
            "out set trainer.limit_val_batches to 0."
        )


def _check_budget(trainer: Namespace) -> None:
    for flag in _BUDGETS:
        if trainer[flag] == 0:
            raise UsageError(
                f"trainer.{flag} is 0, so that nothing would be trained: set it to at "
                "least 1."
            )


def _check_devices(trainer: Namespace) -> None:
    """On a CPU, refuse all but a number of processes or ``auto``."""
    devices = trainer.devices
    on_cpu = trainer.accelerator == "cpu"
    on_cpu |= trainer.accelerator == "auto" and not has_gpu()
    text = str(devices).strip()
    if on_cpu and text != "auto" and not (text.isdigit() and int(text)):
        raise UsageError(
            "trainer.devices on a CPU must be a number of processes of at least 1, or "
            f"'auto', but is '{text}'."
        )
