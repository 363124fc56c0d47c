"""Public names of classes: what files say, wherever a module moves."""

from importlib import import_module

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
