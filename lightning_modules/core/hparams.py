"""Hyper-parameters of checkpoints, without pickled code."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules.core.lightning_internals import classes_alone
from lightning_modules.core.public_names import (
    accepted_names,
    class_path,
    public_class,
)
from lightning_modules.core.recipe import recipe_of, remembered_classes

Module = TypeVar("Module", bound=LightningModule)
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


def method_class(cls: type[Module], path: str, file: object) -> type[Module]:
    """The method that a file names, if this program has imported it.

    Args:
        cls: It, or a base of it.
        path: Import path or public name.
        file: The file, for the sentence.

    Raises:
        ValueError: If it is another, or not imported; nothing was.
    """
    public = public_class(path)
    known = [public, *(one for one in _family(cls) if class_path(one) == path)]
    built = next((one for one in known if one is not None), None)
    if built is None:
        raise ValueError(
            f"'{file}' names the method '{path}', which is not of this library: where "
            "it is yours, import it, or name it after --trusted of the command."
        )
    if not issubclass(built, cls):
        raise ValueError(
            f"'{file}' holds a {built.__name__} and not a {cls.__name__}: call the "
            f"same method of {built.__name__}."
        )
    return built


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


LOADING = {"map_location", "hparams_file", "strict", "weights_only"}
"""Arguments of Lightning's ``load_from_checkpoint``."""


def check_arguments(cls: type, path: Any, saved: Any, given: Iterable[str]) -> None:
    """Refuse a checkpoint of another class, and arguments that the class has not.

    Args:
        cls: The class that is to be built.
        path: The checkpoint.
        saved: Import path of the class that wrote it; None where the file doesn't say.
        given: Names of arguments that replace those in the file.

    Raises:
        ValueError: Naming the class or the argument, and the remedy.
    """
    if not isinstance(saved, str):
        return
    name = saved.rpartition(".")[2]
    own = (one for one in _family(cls) if one.__name__ == name)
    built = next(own, public_class(saved))
    if built is None:  # imported and trusted, or refused, where it is built
        return
    if not issubclass(built, cls):
        raise ValueError(
            f"'{path}' was written by {name} and not by {cls.__name__}: call "
            f"{name}.load_from_checkpoint, or give another file."
        )
    names = accepted_names(built) | LOADING
    for unknown in set(given) - names:
        near = get_close_matches(unknown, names, 1)
        meant = f": did you mean {near[0]}?" if near else ": leave it out."
        raise ValueError(f"{name} has no argument '{unknown}'{meant}")


def refused_value(cls: type, error: Exception) -> ValueError:
    """What the parser found wrong with one argument, without the rest of the tree."""
    found = re.findall(r'Parser key "([\w.]+)":\s+([^\n]*)', str(error))
    key, reason = found[-1] if found else ("an argument", " ".join(str(error).split()))
    return ValueError(f"{cls.__name__}: {key} can't have this value: {reason}.")


def unfitting_weights(cls: type, path: Any, error: Exception) -> Exception:
    """What torch found wrong with the weights of a file, with the file; else itself."""
    lines = str(error).splitlines()
    if not lines or not lines[0].startswith("Error(s) in loading state_dict"):
        return error
    reason = " ".join(" ".join(lines[1:]).split()).rstrip(".")
    return ValueError(
        f"'{path}' holds other weights than {cls.__name__} has ({reason}): give "
        "another file, or strict=False to load those that fit."
    )
