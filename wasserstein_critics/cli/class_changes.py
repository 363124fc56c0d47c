"""What becomes of settings when another class takes the place of one.

``--data ImageFolder`` after a config whose data is CIFAR10 must not read the images of
CIFAR10, although both classes have an argument ``root``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pydoc import locate
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import Logger
from torch import nn

from lightning_modules.core.lightning_internals import watched_class_changes
from lightning_modules.core.public_names import declarations


def is_kept(name: str, old: type, new: type) -> bool:
    """Whether a setting of the old class means the same for the new one.

    It does if both inherit it from one class (``batch_size`` of many data modules), if
    neither could do without it (``generator`` of methods), or if it is the size of a
    network, which one of them could not do without (``shape``). Loggers keep all that
    both have: the name of the run.
    """
    one, other = declarations(old).get(name), declarations(new).get(name)
    if one is None or other is None or issubclass(new, Logger):
        return issubclass(new, Logger)
    required = [parameter.default is parameter.empty for _, parameter in (one, other)]
    is_network = issubclass(new, nn.Module) and not issubclass(new, LightningModule)
    needed = any(required) if is_network else all(required)
    return needed or one[0] is other[0]


@contextmanager
def dropped_settings() -> Iterator[list[str]]:
    """Drop what was set for another class while a command line is parsed.

    Yields:
        A sentence for each class that took the place of one with settings.
    """
    notes: list[str] = []

    def changed(old_path: str, new_path: str, given: Mapping[str, Any]) -> list[str]:
        old, new = locate(old_path), locate(new_path)
        if not isinstance(old, type) or not isinstance(new, type) or old is new:
            return []
        dropped = [name for name in given if not is_kept(name, old, new)]
        note = (
            f"{new.__name__} takes the place of {old.__name__}, so what was set for it "
            f"is dropped: {', '.join(dropped)}."
        )
        if dropped and note not in notes:
            notes.append(note)
        return dropped

    with watched_class_changes(changed):
        yield notes
