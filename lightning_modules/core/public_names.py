"""Public names of classes, which stay valid when modules move."""

import inspect
from importlib import import_module

from torch.optim.lr_scheduler import LRScheduler

PACKAGES = ("lightning_modules", "datamodules", "callbacks")


def public_path(path: str) -> str:
    """Public import path of a class of this library; other paths unchanged.

    A file may name a class by the module where it was defined when the file was
    written. Only the last name counts, if its package exports it.

    >>> public_path("lightning_modules.wgan_gp.WGANGP")
    'lightning_modules.WGANGP'
    >>> public_path("torch.optim.adam.Adam")
    'torch.optim.adam.Adam'
    """
    package, name = path.split(".")[0], path.rpartition(".")[2]
    if package not in PACKAGES or name not in import_module(package).__all__:
        return path
    return f"{package}.{name}"


def public_class(path: str) -> type | None:
    """The class of a public path or a public name, or None."""
    package, _, name = public_path(path).rpartition(".")
    for candidate in (package,) if package else PACKAGES:
        if candidate in PACKAGES and name in import_module(candidate).__all__:
            value = getattr(import_module(candidate), name)
            return value if isinstance(value, type) else None
    return None


def class_path(cls: type) -> str:
    """Import path of a class in files.

    >>> from lightning_modules.networks.mlp import MLPCritic
    >>> class_path(MLPCritic)
    'lightning_modules.MLPCritic'
    """
    return public_path(f"{cls.__module__}.{cls.__qualname__}")


def accepted_names(cls: type) -> set[str]:
    """Keyword arguments of a class, and of its bases where it passes ``**kwargs``."""
    return set(declarations(cls))


def declarations(cls: type) -> dict[str, tuple[type, inspect.Parameter]]:
    """The same arguments by name, each with the class that declares it."""
    found: dict[str, tuple[type, inspect.Parameter]] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        for p in parameters:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                found.setdefault(p.name, (base, p))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    first = {"optimizer"} if issubclass(cls, LRScheduler) else {"params"}
    return {name: found[name] for name in found.keys() - first - {"self"}}
