"""What is wrong with a run, found before it writes anything."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import ParamsT

from lightning_modules.core.alternating import CriticModule, trainable
from lightning_modules.core.module import TrackedModule
from lightning_modules.core.strategies import prepare_strategy
from lightning_modules.generative.wgan_gp import WGANGP
from lightning_modules.metric_learning.classifier import Classifier
from wasserstein_critics.cli.checkpoints import check_checkpoint
from wasserstein_critics.cli.errors import UsageError, raised_by

_PRECISIONS = ("32", "32-true", "16", "16-mixed", "bf16", "bf16-mixed")
_TORCH_OPTIM = str(Path(torch.optim.__file__).parent)
_SHARDED = re.compile("fsdp|deepspeed|model_?parallel", re.IGNORECASE)


def check_config(config: Namespace) -> None:
    """Refuse a configuration that can't be honoured, before anything is built.

    Args:
        config: Parsed configuration of one subcommand.

    Raises:
        UsageError: With the key and the remedy.
    """
    cls = locate(config.model.class_path)
    if isinstance(cls, type) and issubclass(cls, CriticModule):
        _check_flags(config.trainer, penalised=issubclass(cls, WGANGP))
    if config.trainer.accelerator in ("gpu", "cuda") and not _has_gpu():
        raise UsageError(
            f"trainer.accelerator '{config.trainer.accelerator}' finds no usable GPU: "
            "set it to 'auto' or 'cpu'."
        )
    if path := config.get("ckpt_path"):
        check_checkpoint(path, config)


def _has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _check_flags(trainer: Namespace, *, penalised: bool) -> None:
    if trainer.gradient_clip_val:
        raise UsageError(
            "trainer.gradient_clip_val has no place where critic and player step in "
            "turn: leave it out and set model.critic_clip_norm, and "
            "model.generator_clip_norm or, for domain adaptation, model.clip_norm."
        )
    if trainer.accumulate_grad_batches != 1:
        raise UsageError(
            "trainer.accumulate_grad_batches has no place where critic and player step "
            "in turn: leave it out and set a larger data.batch_size."
        )
    if trainer.sync_batchnorm and penalised:
        raise UsageError(
            "trainer.sync_batchnorm is not offered with a gradient penalty, which "
            "needs a second derivative that SyncBatchNorm lacks: leave it out and set "
            "norm to 'layer' or 'none' in the networks."
        )
    if trainer.precision is not None and str(trainer.precision) not in _PRECISIONS:
        raise UsageError(
            f"trainer.precision '{trainer.precision}' changes the type of the weights "
            "but not that of the noise: use '32-true' or 'bf16-mixed'."
        )
    strategy = trainer.strategy
    name = strategy if isinstance(strategy, str) else strategy.class_path.split(".")[-1]
    if _SHARDED.search(name):
        raise UsageError(
            f"trainer.strategy '{name}' splits weights over devices, which two "
            "optimizers or a gradient penalty do not survive: use trainer.strategy "
            "'ddp'."
        )


def check_run(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, subcommand: str
) -> None:
    """Refuse data, networks and strategies that don't go together.

    The data is read here, where a damaged file leaves no run behind; data modules keep
    what they have read.

    Raises:
        ValueError: With the key and the remedy.
    """
    if isinstance(model, CriticModule):
        prepare_strategy(trainer.strategy)
    if subcommand == "fit":
        _check_optimizers(model)
    two_domains = hasattr(data, "domain_names")
    if trainer.is_global_zero and (two_domains or subcommand != "predict"):
        data.prepare_data()
        data.setup(subcommand)
    if isinstance(model, TrackedModule):
        model.check_data(data)


def _check_optimizers(model: LightningModule) -> None:
    """Make each optimizer and schedule once, to find values that torch refuses."""
    for key, weights, factories in _learners(model):
        made: Any = weights
        for kind, factory in zip(("optimizer", "scheduler"), factories, strict=False):
            if factory is None:
                continue
            try:
                made = factory(made)
            except ValueError as error:
                if not raised_by(error, (_TORCH_OPTIM,)):
                    raise
                raise UsageError(
                    f"model.{key}{kind} has a value that torch refuses ({error}): "
                    "change it."
                ) from error
            _refuse_nan(f"model.{key}{kind}", made)


def _refuse_nan(key: str, made: Optimizer | LRScheduler) -> None:
    values = made.defaults if isinstance(made, Optimizer) else vars(made)
    for name, value in values.items():
        if isinstance(value, float) and math.isnan(value):
            raise UsageError(f"{key}.{name} is no number, but {value}: set it to one.")


def _learners(
    model: LightningModule,
) -> Iterator[tuple[str, ParamsT, tuple[Callable[..., Any] | None, ...]]]:
    """Starts of keys, the weights, and what makes their optimizer and schedule."""
    if isinstance(model, Classifier):
        yield "", trainable(model.network), (model._optimizer_factory,)
    if isinstance(model, CriticModule):
        for one in model.learners():
            factories = (one.optimizer, one.scheduler)
            yield one.key, model.weights_of(one.network), factories
