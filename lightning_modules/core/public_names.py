"""Public names of classes, which files say wherever a module moves."""

import inspect
from importlib import import_module

from torch.optim.lr_scheduler import LRScheduler

PACKAGES = ("lightning_modules", "datamodules", "callbacks")


def public_path(path: str) -> str:
    """The public import path of one of our classes; any other path unchanged.

    A file may name a class by the module that held it when the file was written. What
    counts is the last name, if its package offers it.

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
    """The class that a public path or a public name alone stands for, or None."""
    package, _, name = public_path(path).rpartition(".")
    for known in (package,) if package else PACKAGES:
        if known in PACKAGES and name in import_module(known).__all__:
            found = vars(import_module(known))[name]
            return found if isinstance(found, type) else None
    return None


def class_path(cls: type) -> str:
    """What a file says for a class.

    >>> from lightning_modules.networks.mlp import MLPCritic
    >>> class_path(MLPCritic)
    'lightning_modules.MLPCritic'
    """
    return public_path(f"{cls.__module__}.{cls.__qualname__}")


def accepted_names(cls: type) -> set[str]:
    """Keyword arguments of a class; where it passes ``**kwargs`` on, its bases' too."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= {
            p.name
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    given = {"optimizer"} if issubclass(cls, LRScheduler) else {"params"}
    return names - given - {"self"}
