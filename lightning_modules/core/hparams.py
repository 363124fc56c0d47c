"""Hyper-parameters of checkpoints, without pickled code."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules.core.public_names import class_path
from lightning_modules.core.recipe import recipe_of

INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"


def plain_arguments(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Hyper-parameters from which ``load_from_checkpoint`` builds the module.

    Networks become their recipes, optimizer and scheduler factories become class
    names with arguments. Arguments without a plain form (a network without a recipe,
    a scheduler that is a function) are left out: pass them to `load_from_checkpoint` as
    keyword arguments.
    """
    plain = {key: value for key, value in arguments.items() if _is_plain(value)}
    for key, value in arguments.items():
        if isinstance(value, nn.Module):
            recipe = recipe_of(value)
        elif key.endswith(("optimizer", "scheduler")) and callable(value):
            recipe = _factory_recipe(value, scheduler=key.endswith("scheduler"))
        else:
            recipe = None
        if recipe is not None:
            plain[key] = recipe
    return {**plain, "_class_path": class_path(cls), "_instantiator": INSTANTIATOR}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return value is None or isinstance(value, bool | int | float | str)


def _factory_recipe(
    factory: Callable[..., Any], *, scheduler: bool
) -> dict[str, Any] | None:
    """Class and arguments of a factory's product, made for a dummy weight."""
    product: Optimizer | LRScheduler
    dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1, 1))], lr=1.0)
    product = factory(dummy if scheduler else [nn.Parameter(torch.zeros(1, 1))])
    is_schedule = isinstance(product, LRScheduler)
    values = product.__dict__ if is_schedule else product.defaults
    init_args: dict[str, Any] = {}
    for parameter in list(inspect.signature(type(product)).parameters.values())[1:]:
        name = parameter.name
        if name in values and _is_plain(values[name]) and name != "last_epoch":
            value = values[name]
            init_args[name] = list(value) if isinstance(value, tuple) else value
        elif parameter.default is parameter.empty:
            return None
    return {"class_path": class_path(type(product)), "init_args": init_args}
