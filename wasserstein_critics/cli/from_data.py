"""What follows from the data where it is left out: shapes, classes, a run's name.

A method states in ``follows`` which arguments those are. What is given explicitly
stays, and is refused where it does not fit.
"""

import re
from argparse import ArgumentError
from collections.abc import Iterator, Mapping
from contextlib import suppress
from operator import attrgetter
from pydoc import locate
from typing import Any

import torch
from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser
from torch import nn

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.public_names import declarations
from lightning_modules.data_contracts.contracts import NamedData, check_kind
from wasserstein_critics.cli.errors import UsageError
from wasserstein_critics.cli.names import known_classes

_SLOT = "{data}"


def following_names() -> set[str]:
    """Names of all arguments that may follow from data."""
    methods = (cls for cls in known_classes() if issubclass(cls, AlternatingModule))
    return {key.rpartition(".")[2] for cls in methods for key in cls.follows}


def lacks_only(error: ArgumentError, names: set[str]) -> bool:
    """Whether the parser complains that some of these arguments are not there."""
    found = re.search(r"the following arguments are required: (.*)", str(error))
    return bool(found) and names.issuperset(found[1].split(", "))  # type: ignore[index]


def built(base: type, specification: Any) -> Any:
    """The instance that a class and its arguments in a config describe."""
    parser = LightningArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, "one")
    content = {"one": specification.as_dict()}
    with torch.random.fork_rng(devices=[]):
        return parser.instantiate_classes(parser.parse_object(content)).one


def following(config: Namespace, data: LightningDataModule) -> dict[str, Any]:
    """Arguments of the model that are left out and follow from the data.

    Args:
        config: Of one subcommand, parsed without them. It gets them.
        data: Its data module; what is not known before is read.

    Returns:
        Values by the names that options have, such as ``model.critic.shape``.

    Raises:
        ValueError: If the data is of a kind that the method does not take, or can't be
            read, or the width of an extractor's features is not known.
    """
    method = locate(config.model.class_path)
    if not isinstance(method, type) or not issubclass(method, AlternatingModule):
        return {}
    check_kind(method, method.takes, data)
    found: dict[str, Any] = {}
    for key, source in method.follows.items():
        arguments, name = _place(config.model, key)
        if arguments is None or arguments.get(name) is not None:
            continue
        value = _value(source, data, config.model)
        if name == "shape":
            value = list(value) if isinstance(value, tuple) else [value]
        arguments[name] = found[f"model.{key}"] = value
    return found


def _place(model: Namespace, key: str) -> tuple[Namespace | None, str]:
    """The arguments that a key belongs to, None if its class needs no such."""
    part, _, name = key.rpartition(".")
    node = model.init_args.get(part) if part else model
    cls = locate(node.class_path) if isinstance(node, Namespace) else None
    if not isinstance(cls, type) or name not in declarations(cls):
        return None, name
    if declarations(cls)[name][1].default is not declarations(cls)[name][1].empty:
        return None, name
    if "init_args" not in node:
        node.init_args = Namespace()  # type: ignore[no-untyped-call]
    return node.init_args, name


def _value(source: str, data: LightningDataModule, model: Namespace) -> Any:
    """A value such as ``data.shape`` or ``extractor.num_features``."""
    owner, _, name = source.partition(".")
    if owner == "data":
        value = _attribute(data, name)
        if value is None:
            data.prepare_data()
            data.setup(None)  # type: ignore[arg-type]
            value = _attribute(data, name)
    else:
        value = _attribute(built(nn.Module, model.init_args[owner]), name)
    if value is None:
        what = type(data).__name__ if owner == "data" else f"model.{owner}"
        raise UsageError(
            f"{what} does not say its {name}: set what the model needs of it."
        )
    return value


def _attribute(owner: object, name: str) -> Any:
    """What a method says it can know from an object; None where it is not there."""
    with suppress(AttributeError):
        return attrgetter(name)(owner)
    return None


def as_options(found: Mapping[str, Any]) -> list[str]:
    """Values as words of a command line."""
    return [f"--{key}={value}" for key, value in found.items()]


def name_runs(config: Namespace, data: LightningDataModule | None) -> None:
    """Put the data's name where the name of a logger has ``{data}``."""
    for arguments in _loggers(config):
        name = arguments.get("name")
        if isinstance(name, str) and _SLOT in name:
            data = data or built(LightningDataModule, config.data)
            said = data.short_name if isinstance(data, NamedData) else "data"
            safe = re.sub(r"[^\w.-]+", "_", said).strip(".")
            arguments["name"] = name.replace(_SLOT, safe or "data")


def _loggers(config: Namespace) -> Iterator[Namespace]:
    loggers = config.trainer.logger
    for logger in loggers if isinstance(loggers, list) else [loggers]:
        if isinstance(logger, Namespace) and logger.get("init_args"):
            yield logger.init_args
