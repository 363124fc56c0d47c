"""What is wrong with a run, found before it writes anything."""

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from .base import CriticModule
from .cli_errors import UsageError
from .generative import GenerativeModule
from .strategies import prepare_strategy
from .wgan_gp import WGANGP

_ALIASES = ("best", "last", "hpc")
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
    path = config.get("ckpt_path")
    if path and path not in _ALIASES:
        _check_checkpoint(Path(path), config.model)


def _has_gpu() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _check_flags(trainer: Namespace, *, penalised: bool) -> None:
    if trainer.gradient_clip_val:
        raise UsageError(
            "trainer.gradient_clip_val has no place where critic and generator step in "
            "turn: leave it out and set model.critic_clip_norm or "
            "model.generator_clip_norm."
        )
    if trainer.accumulate_grad_batches != 1:
        raise UsageError(
            "trainer.accumulate_grad_batches has no place where critic and generator "
            "step in turn: leave it out and set a larger data.batch_size."
        )
    if trainer.sync_batchnorm and penalised:
        raise UsageError(
            "trainer.sync_batchnorm is not offered with a gradient penalty, which "
            "needs a second derivative that SyncBatchNorm lacks: leave it out and set "
            "norm to 'layer' or 'none' in the networks."
        )
    strategy = trainer.strategy
    name = strategy if isinstance(strategy, str) else strategy.class_path.split(".")[-1]
    if _SHARDED.search(name):
        raise UsageError(
            f"trainer.strategy '{name}' splits weights over devices, which two "
            "optimizers or a gradient penalty do not survive: use trainer.strategy "
            "'ddp'."
        )


def _check_checkpoint(path: Path, model: Namespace) -> None:
    arguments = _read_checkpoint(path).get("hyper_parameters", {})
    written = arguments.get("_class_path", model.class_path).split(".")[-1]
    asked = model.class_path.split(".")[-1]
    if written != asked:
        raise UsageError(
            f"ckpt_path '{path}' was written by {written} but the config says {asked}: "
            "give the config.yaml of that run, or another checkpoint."
        )
    ours = model.init_args.as_dict()
    for key, here, there in _network_differences(ours, arguments):
        raise UsageError(
            f"model.{key} is {here} but ckpt_path '{path}' was trained with {there}: "
            "give the config.yaml of that run, or another checkpoint."
        )


def _read_checkpoint(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"ckpt_path: there is no file '{path}'.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UsageError(
            f"ckpt_path '{path}' is not a whole checkpoint of this program: give "
            "another, such as last.ckpt or an earlier step of the run."
        )
    return content


def _network_differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Keys of the networks in which two configurations differ, with both values."""
    for key in ours.keys() & theirs.keys():
        here, there = ours[key], theirs[key]
        if key.endswith(("_optimizer", "_scheduler")) or not _is_network(here, there):
            continue
        names = [side["class_path"].split(".")[-1] for side in (here, there)]
        if names[0] != names[1]:
            yield key, *names
        shared = here.get("init_args", {}), there.get("init_args", {})
        for name in shared[0].keys() & shared[1].keys():
            values = [_listed(side[name]) for side in shared]
            if values[0] != values[1]:
                yield f"{key}.{name}", *values


def _is_network(here: Any, there: Any) -> bool:
    return all(
        isinstance(side, dict) and "class_path" in side for side in (here, there)
    )


def _listed(value: Any) -> Any:
    return (
        [_listed(item) for item in value] if isinstance(value, list | tuple) else value
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
    if trainer.is_global_zero and subcommand != "predict":
        data.prepare_data()
        data.setup(subcommand)
    if isinstance(model, GenerativeModule) and hasattr(data, "shape"):
        model.check_shape(data.shape)
