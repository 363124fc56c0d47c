"""Hyper-parameters of checkpoints, without pickled code."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules.core.lightning_internals import classes_alone
from lightning_modules.core.public_names import class_path
from lightning_modules.core.recipe import recipe_of, remembered_classes

INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
TRUSTED = ("lightning_modules", "torch.nn", "torch.optim", "torchvision", "timm")
"""Packages whose classes a checkpoint may name: it may be untrusted."""


@contextmanager
def building(cls: type, file: object, trusted: Sequence[str]) -> Iterator[None]:
    """Build what a checkpoint names, if this program or the caller trusts it.

    Args:
        cls: The module that is built; its subclasses are trusted, too.
        file: The checkpoint, for the sentence.
        trusted: Packages, modules or classes that the caller trusts.

    Raises:
        ValueError: If the file names something else; nothing of it was imported.
    """
    own = [class_path(one) for one in (*_family(cls), *remembered_classes())]
    with classes_alone([*TRUSTED, *trusted, *filter(_is_importable, own)]) as refused:
        try:
            yield
        except Exception as error:
            if not refused:
                raise
            raise ValueError(
                f"'{file}' names '{refused[0]}', which might run code, as it is not a "
                f"class of {', '.join(TRUSTED)}: where it is a class that you trust, "
                f"give trusted=['{refused[0]}'] to load_from_checkpoint."
            ) from error


def _family(cls: type[Any]) -> Iterator[type[Any]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _family(subclass)


def _is_importable(path: str) -> bool:
    """Whether a class has a path at all: one inside of a function has none."""
    return all(part.isidentifier() for part in path.split("."))


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
    values = product.__dict__ if isinstance(product, LRScheduler) else product.defaults
    init_args: dict[str, Any] = {}
    for parameter in list(inspect.signature(type(product)).parameters.values())[1:]:
        name = parameter.name
        if name in values and _is_plain(values[name]) and name != "last_epoch":
            value = values[name]
            init_args[name] = list(value) if isinstance(value, tuple) else value
        elif parameter.default is parameter.empty:
            return None
    return {"class_path": class_path(type(product)), "init_args": init_args}
