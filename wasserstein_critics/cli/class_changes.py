"""What becomes of settings when a later class, list or config takes their place.

``--data ImageFolder`` after a config whose data is CIFAR10 must not read the images of
CIFAR10, although both classes have an argument ``root``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from pydoc import locate
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import Logger
from torch import nn

from lightning_modules.core.lightning_internals import watched_class_changes
from lightning_modules.core.public_names import declarations
from wasserstein_critics.cli.config_files import read_config
from wasserstein_critics.cli.yaml_values import load_yaml
from wasserstein_critics.shipped import CONFIG_OPTIONS


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


def replaced_settings(
    words: Sequence[str], config: Namespace, switched: Collection[str] = ()
) -> Iterator[str]:
    """A sentence for each setting that a later one undid and that may be missed.

    That a later option wins is what everybody expects of ``--config x --key value``. It
    is easily missed where the config comes last, and where a list of callbacks replaces
    one instead of adding to it.

    Args:
        words: The command line, with the subcommand.
        config: What the parser made of it, for that subcommand.
        switched: Callbacks that are named one by one, and so not missed.
    """
    options: dict[str, str] = {}
    callbacks: dict[str, None] = {}
    for key, value in _settings(words):
        if key != "config":
            options[key] = value
            continue
        content = read_config(Path(value))
        for name, new in _flat(content):
            old = options.pop(name, None)
            if old is not None and not _same(old, new):
                yield (
                    f"--{name} {old} stands before --config {value}, which sets {new}: "
                    "the later one wins, so let the option come last."
                )
        trainer = content.get("trainer") or {}
        for name in ("callbacks", "callbacks+"):
            callbacks |= dict.fromkeys(_class_names(trainer.get(name)))
    kept = set(_class_names(config.trainer.callbacks))
    if lost := [name for name in callbacks if name not in {*kept, *switched}]:
        yield (
            "a later list of trainer.callbacks replaces the one before, so "
            f"{', '.join(lost)} won't run: write callbacks+ to add to a list."
        )


def _settings(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Keys and values of a command line, of configs that are files."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        key, equals, value = word.partition("=")
        value = value if equals else following
        if key in CONFIG_OPTIONS:
            if Path(value).is_file():
                yield "config", value
        elif key.startswith("--"):
            yield key[2:], value


def _same(option: str, value: Any) -> bool:
    """Whether an option says what a config does, perhaps by another name of a class."""
    if isinstance(value, str) and f".{value}".endswith(f".{option}"):
        return True
    return bool(load_yaml(option) == value)


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values of a config under the names that options have."""
    for key, value in content.items():
        name = prefix.removesuffix(".") if key == "init_args" else f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name.removesuffix(".class_path"), value


def _class_names(specifications: Any) -> Iterator[str]:
    """Names of the classes of a list, or of a single one, without the packages."""
    for one in specifications if isinstance(specifications, list) else [specifications]:
        if one is not None:
            path = one if isinstance(one, str) else one.get("class_path", "")
            yield str(path).rpartition(".")[2]
