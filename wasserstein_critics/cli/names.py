"""The names that exist: classes, their arguments, and the one that was meant."""

from collections.abc import Collection
from difflib import get_close_matches

from lightning.pytorch import Callback, LightningDataModule, LightningModule
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

import callbacks
import datamodules
from lightning_modules.core.lazy import load_names

BASES: tuple[type, ...] = (
    LightningModule,
    LightningDataModule,
    Callback,
    Logger,
    nn.Module,
    Optimizer,
    LRScheduler,
)
"""What a config names by ``class_path`` is a subclass of one of these."""
UNAVAILABLE = {**load_names(datamodules), **load_names(callbacks)}
"""Classes that can't be used here, with the package that is missing; all others get
short names by being imported."""


def known_classes() -> set[type]:
    """All classes that a config may name and that are imported."""
    classes: set[type] = set()
    waiting = list(BASES)
    while waiting:
        cls = waiting.pop()
        classes.add(cls)
        below: list[type] = cls.__subclasses__()
        waiting += [sub for sub in below if sub not in classes]
    return classes


def suggestion(name: str, choices: Collection[str], *, listed: bool = True) -> str:
    """The end of a sentence: the nearest existing name, or all if they are few."""
    if near := get_close_matches(name, sorted(choices), n=1):
        return f"; did you mean '{near[0]}'?"
    if listed and not choices:
        return "; it takes none."
    if listed and len(choices) <= 20:
        return f"; choose from {', '.join(sorted(choices))}."
    return "; see --help for the names that exist."
