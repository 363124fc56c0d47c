"""What is wrong with a run, found before it writes anything."""

import inspect
import re
from pathlib import Path
from pydoc import locate
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import nn

import lightning_modules
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.monitors import refuse_monitors
from lightning_modules.core.optimisation import check_made
from lightning_modules.core.strategies import prepare_strategy
from lightning_modules.data_contracts.contracts import KnownData, check_kind
from wasserstein_critics.cli.checkpoints import check_checkpoint
from wasserstein_critics.cli.errors import UsageError, raised_by
from wasserstein_critics.cli.flags import check_values, has_gpu

_PRECISIONS = ("32", "32-true", "16", "16-mixed", "bf16", "bf16-mixed")
_TORCH_OPTIM = str(Path(torch.optim.__file__).parent)
_OURS = str(Path(lightning_modules.__file__ or "").parent)
_SHARDED = re.compile("fsdp|deepspeed|model_?parallel", re.IGNORECASE)
_FLAGS = inspect.signature(Trainer.__init__).parameters


# The configuration --------------------------------------------------------------------


def check_config(config: Namespace, subcommand: str) -> None:
    """Refuse a configuration that can't be honoured, before anything is built.

    Args:
        config: Parsed configuration of one subcommand.
        subcommand: Its name.

    Raises:
        UsageError: With the key and the remedy.
    """
    cls = locate(config.model.class_path)
    if isinstance(cls, type) and issubclass(cls, AlternatingModule):
        _check_flags(config.trainer, cls)
    check_values(config, subcommand)
    if config.trainer.accelerator in ("gpu", "cuda") and not has_gpu():
        raise UsageError(
            f"trainer.accelerator '{config.trainer.accelerator}' finds no usable GPU: "
            "set it to 'auto' or 'cpu'."
        )
    if path := config.get("ckpt_path"):
        check_checkpoint(path, config, subcommand)
    elif path is not None:
        raise UsageError("ckpt_path is empty: name a checkpoint, or leave it out.")


def _check_flags(trainer: Namespace, cls: type[AlternatingModule]) -> None:
    for flag, reason in cls.refused_trainer_flags.items():
        if trainer[flag] and trainer[flag] != _FLAGS[flag].default:
            raise UsageError(f"trainer.{flag} {reason}")
    if not cls.alternates:
        return
    precision = trainer.precision
    if str(precision or 32) not in _PRECISIONS:
        raise UsageError(
            f"trainer.precision '{precision}' changes the type of the weights but not "
            "that of the noise: use '32-true' or 'bf16-mixed'."
        )
    strategy = trainer.strategy
    name = strategy if isinstance(strategy, str) else strategy.class_path.split(".")[-1]
    if _SHARDED.search(name):
        raise UsageError(
            f"trainer.strategy '{name}' splits weights over devices, which does not "
            "work with two optimizers or a gradient penalty: use trainer.strategy "
            "'ddp'."
        )


# The run ------------------------------------------------------------------------------


def check_run(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, subcommand: str
) -> None:
    """Refuse data, networks and strategies that don't fit together.

    The data is read here, where a damaged file leaves no run behind; data modules keep
    what they have read.

    Raises:
        ValueError: With the key and the remedy.
    """
    if isinstance(model, AlternatingModule):
        check_kind(type(model), model.takes, data)  # before its files are looked for
        if model.alternates:
            prepare_strategy(trainer.strategy)
        if subcommand == "fit":
            refuse_monitors(trainer.callbacks, model)  # type: ignore[attr-defined]
    if subcommand == "fit":
        _check_optimizers(model)
    # Samples are drawn without data.
    is_read = isinstance(data, KnownData) and data.kind != "samples"
    if trainer.is_global_zero and (subcommand != "predict" or is_read):
        data.prepare_data()
        data.setup(subcommand)
    if isinstance(model, AlternatingModule):
        model.check_data(data)


def _check_optimizers(model: LightningModule) -> None:
    """Make each optimizer and schedule once, to find values that torch refuses."""
    specs = model.optimizer_specs() if isinstance(model, AlternatingModule) else []
    for spec in specs:
        # the tables of a ranker are made when the data is known
        result: Any = list(spec.parameters) or [nn.Parameter(torch.zeros(1, 1))]
        key = spec.key
        for kind in ("optimizer", "scheduler"):
            factory: Any = spec._asdict()[kind]
            if factory is None:
                continue
            option = f"model.{key}{kind}"
            try:
                result = factory(result)
            except ValueError as error:
                if raised_by(error, (_TORCH_OPTIM,)):
                    why = (
                        f"{option} has a value that torch refuses ({error}): change it."
                    )
                elif raised_by(error, (_OURS,)):
                    why = f"{option}.{error}"
                else:
                    raise
                raise UsageError(why) from error
            check_made(option, result)
            if isinstance(result, torch.optim.SparseAdam) and [*spec.parameters]:
                raise UsageError(
                    f"{option} SparseAdam takes the sparse gradients of tables alone, "
                    "and these weights have dense ones: use Adam or another."
                )
