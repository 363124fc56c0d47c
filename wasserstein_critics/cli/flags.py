"""Flags of the trainer, and the seed, whose values can't be honoured."""

import json
import os

import torch
from jsonargparse import Namespace

from lightning_modules.core.validation import MAX_SEED
from wasserstein_critics.cli.errors import UsageError

_LEAST = {
    "check_val_every_n_epoch": (1, "null counts batches across epochs"),
    "log_every_n_steps": (0, "0 logs nothing"),
    "num_sanity_val_steps": (-1, "-1 runs all batches"),
    "min_steps": (0, "0 sets no minimum"),
    "min_epochs": (0, "0 sets no minimum"),
}
_UNITS = {"weeks", "days", "hours", "minutes", "seconds"}
MOST_PROCESSES = 256
_WANDB_MODES = ("online", "offline", "shared", "disabled", "dryrun", "run")
_NOT_IN_PROJECTS = set("/\\#?%:")
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
        _check_times(config.trainer)
        _check_minima(config.trainer)
    _check_devices(config.trainer)
    _check_ignored(config.trainer)
    _check_wandb(config.trainer)


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


def _check_ignored(trainer: Namespace) -> None:
    """Refuse what would have no effect."""
    if isinstance(trainer.model_registry, str):
        raise UsageError(
            "trainer.model_registry has no effect here: leave it out, and give the "
            "folder that `export` writes to a registry."
        )


def _check_budget(trainer: Namespace) -> None:
    for flag in _BUDGETS:
        if trainer[flag] == 0:
            raise UsageError(
                f"trainer.{flag} is 0, so that nothing would be trained: set it to at "
                "least 1."
            )


def _check_times(trainer: Namespace) -> None:
    """Refuse units of time that there are not, and a budget without time."""
    for flag in ("max_time", "val_check_interval"):
        given = trainer[flag]
        units = vars(given) if isinstance(given, Namespace) else given
        unknown = set(units) - _UNITS if isinstance(units, dict) else None
        if unknown:
            raise UsageError(
                f"trainer.{flag} has no unit '{min(unknown)}': choose from "
                f"{', '.join(sorted(_UNITS))}."
            )
    time = trainer.max_time
    if isinstance(time, str) and time and not set(time) & set("123456789"):
        raise UsageError(
            f"trainer.max_time is {time}, so that nothing would be trained: write "
            "days:hours:minutes:seconds, such as 00:12:00:00."
        )


def _check_minima(trainer: Namespace) -> None:
    """Refuse a minimum above its maximum, which Lightning ignores."""
    for unit in ("steps", "epochs"):
        least, most = trainer[f"min_{unit}"], trainer[f"max_{unit}"]
        if least is not None and most is not None and 0 <= most < least:
            raise UsageError(
                f"trainer.min_{unit} is {least} and trainer.max_{unit} is {most}, "
                "which ends training before: set one of them."
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
    most = max(MOST_PROCESSES, os.cpu_count() or 1)
    if on_cpu and text.isdigit() and int(text) > most:
        raise UsageError(
            f"trainer.devices is {text}, which would start as many processes on "
            f"{os.cpu_count()} CPUs: set it to at most {most}."
        )


def _check_wandb(trainer: Namespace) -> None:
    """Refuse what W&B would refuse after its service has started, or ignore."""
    loggers = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
    for logger in loggers:
        if not isinstance(logger, Namespace):
            continue
        if not logger.class_path.endswith("WandbLogger"):
            continue
        mode = os.environ.get("WANDB_MODE", "online")
        if mode not in _WANDB_MODES:
            raise UsageError(
                f"WANDB_MODE is '{mode}' in the environment: set it to one of "
                f"{', '.join(_WANDB_MODES)}."
            )
        project = str((logger.get("init_args") or {}).get("project") or "")
        if len(project) > 128 or _NOT_IN_PROJECTS & set(project):
            raise UsageError(
                "trainer.logger.project must have at most 128 characters and none of "
                f"{' '.join(sorted(_NOT_IN_PROJECTS))}, but is '{project}'."
            )
