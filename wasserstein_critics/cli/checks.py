"""What is wrong with a run, found before it writes anything."""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any, NamedTuple

import torch
from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import ParamsT

from datamodules import TwoDomains
from lightning_modules.core.alternating import CriticModule, trainable
from lightning_modules.core.module import TrackedModule
from lightning_modules.core.strategies import prepare_strategy
from lightning_modules.metric_learning.classifier import Classifier
from wasserstein_critics.cli.checkpoints import check_checkpoint
from wasserstein_critics.cli.errors import UsageError, raised_by

_PRECISIONS = ("32", "32-true", "16", "16-mixed", "bf16", "bf16-mixed")
_TORCH_OPTIM = str(Path(torch.optim.__file__).parent)
_SHARDED = re.compile("fsdp|deepspeed|model_?parallel", re.IGNORECASE)
_FLAGS = inspect.signature(Trainer.__init__).parameters


# What a class allows ------------------------------------------------------------------


class Allowances(NamedTuple):
    """Which of the trainer's flags a method works with.

    Attributes:
        refused_trainer_flags: Flags that must keep their default; why, and the remedy.
        float32_only: Whether the weights have to be float32.
        whole_weights: Whether each device has to hold all weights.
    """

    refused_trainer_flags: Mapping[str, str]
    float32_only: bool
    whole_weights: bool


_MANUAL = {
    "gradient_clip_val": (
        "is not supported with manual optimisation: remove it and set "
        "model.critic_clip_norm, and model.generator_clip_norm or, for domain "
        "adaptation, model.clip_norm."
    ),
    "accumulate_grad_batches": (
        "is not supported with manual optimisation: remove it and set a larger "
        "data.batch_size."
    ),
}
_PENALISED = {
    "sync_batchnorm": (
        "is not supported with a gradient penalty, which needs a second derivative "
        "that SyncBatchNorm lacks: remove it and set norm to 'layer' or 'none' in the "
        "networks."
    )
}


def allowances(cls: type) -> Allowances:
    """What a class says of itself by class attributes of these names.

    One that says nothing is taken for what its ancestors are: a critic method trains by
    manual optimisation, a user's own `LightningModule` refuses nothing.
    """
    ancestors = {base.__name__ for base in cls.__mro__}
    critic = "CriticModule" in ancestors
    flags = (_MANUAL if critic else {}) | (_PENALISED if "WGANGP" in ancestors else {})
    return Allowances(
        getattr(cls, "refused_trainer_flags", flags),
        getattr(cls, "float32_only", critic),
        getattr(cls, "whole_weights", critic),
    )


# The configuration --------------------------------------------------------------------


def check_config(config: Namespace) -> None:
    """Refuse a configuration that can't be honoured, before anything is built.

    Args:
        config: Parsed configuration of one subcommand.

    Raises:
        UsageError: With the key and the remedy.
    """
    cls = locate(config.model.class_path)
    if isinstance(cls, type):
        _check_flags(config.trainer, allowances(cls))
    if config.trainer.accelerator in ("gpu", "cuda") and not _has_gpu():
        raise UsageError(
            f"trainer.accelerator '{config.trainer.accelerator}' finds no usable GPU: "
            "set it to 'auto' or 'cpu'."
        )
    if path := config.get("ckpt_path"):
        check_checkpoint(path, config)


def _has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _check_flags(trainer: Namespace, allowed: Allowances) -> None:
    for flag, reason in allowed.refused_trainer_flags.items():
        if trainer[flag] and trainer[flag] != _FLAGS[flag].default:
            raise UsageError(f"trainer.{flag} {reason}")
    precision = trainer.precision
    if allowed.float32_only and str(precision or 32) not in _PRECISIONS:
        raise UsageError(
            f"trainer.precision '{precision}' changes the type of the weights but not "
            "that of the noise: use '32-true' or 'bf16-mixed'."
        )
    strategy = trainer.strategy
    name = strategy if isinstance(strategy, str) else strategy.class_path.split(".")[-1]
    if allowed.whole_weights and _SHARDED.search(name):
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
    if allowances(type(model)).whole_weights:
        prepare_strategy(trainer.strategy)
    if subcommand == "fit":
        _check_optimizers(model)
    # Only two domains know their number of classes when it comes to prediction.
    needed = subcommand != "predict" or isinstance(data, TwoDomains)
    if trainer.is_global_zero and needed:
        data.prepare_data()
        data.setup(subcommand)
    if isinstance(model, TrackedModule):
        model.check_data(data)


def _check_optimizers(model: LightningModule) -> None:
    """Make each optimizer and schedule once, to find values that torch refuses."""
    for key, parameters, factories in _optimizer_specs(model):
        result: Any = parameters
        for kind, factory in zip(("optimizer", "scheduler"), factories, strict=False):
            if factory is None:
                continue
            try:
                result = factory(result)
            except ValueError as error:
                if not raised_by(error, (_TORCH_OPTIM,)):
                    raise
                raise UsageError(
                    f"model.{key}{kind} has a value that torch refuses ({error}): "
                    "change it."
                ) from error
            _refuse_nan(f"model.{key}{kind}", result)


def _refuse_nan(key: str, made: Optimizer | LRScheduler) -> None:
    values = made.defaults if isinstance(made, Optimizer) else vars(made)
    for name, value in values.items():
        if isinstance(value, float) and math.isnan(value):
            raise UsageError(f"{key}.{name} must not be NaN.")


def _optimizer_specs(
    model: LightningModule,
) -> Iterator[tuple[str, ParamsT, tuple[Callable[..., Any] | None, ...]]]:
    """Starts of keys, the weights, and what makes their optimizer and schedule."""
    if isinstance(model, Classifier):
        yield "", trainable(model.network), (model._optimizer_factory,)
    if isinstance(model, CriticModule):
        for learner in model.learners():
            factories = (learner.optimizer, learner.scheduler)
            yield learner.key, model.weights_of(learner.network), factories
