"""Options of callbacks by name: ``--callbacks.SampleGrid.every_n_steps 100``.

The parser's own ``--trainer.callbacks.every_n_steps`` reaches only the last of a list.
"""

import json
from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace

from wasserstein_critics.cli.errors import UsageError
from wasserstein_critics.cli.names import suggestion
from wasserstein_critics.cli.yaml_values import load_yaml

_START = "--callbacks."
Option = tuple[list[str], str]
"""What it reaches, such as SampleGrid and every_n_steps, and its value as text."""


def split_off(words: Sequence[str]) -> tuple[list[str], list[Option]]:
    """A command line without its options of callbacks, and those.

    Raises:
        UsageError: If such an option has no value.

    >>> split_off(["fit", "--callbacks.SampleGrid.seed", "3", "--x=1"])
    (['fit', '--x=1'], [(['SampleGrid', 'seed'], '3')])
    """
    rest, options, waiting = [], [], list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith(_START):
            rest.append(word)
            continue
        name, sign, value = word.removeprefix(_START).partition("=")
        if not sign and (not waiting or waiting[0].startswith("--")):
            raise UsageError(f"{word} needs a value after it: false switches it off.")
        options.append((name.split("."), value if sign else waiting.pop(0)))
    return rest, options


def with_options(callbacks: Any, options: Sequence[Option]) -> str:
    """The list of callbacks, as JSON for the parser, with options put in.

    Args:
        callbacks: What the parser made of ``trainer.callbacks``.
        options: What `split_off` found.

    Raises:
        UsageError: If a callback is not in the list, or is set to what it can't be.
    """
    listed = [_plain(c) for c in (callbacks if isinstance(callbacks, list) else [])]
    for path, value in options:
        reached = [c for c in listed if _name(c) == path[0]]
        if not reached:
            names = set(map(_name, listed))
            where = f"{_START}{'.'.join(path)}: no {path[0]} is among the callbacks"
            raise UsageError(where + suggestion(path[0], names))
        if len(path) == 1:
            _refuse_values(path[0], value)
            listed = [c for c in listed if c not in reached]
        for callback in reached if len(path) > 1 else ():
            _put(callback.setdefault("init_args", {}), path[1:], load_yaml(value))
    return json.dumps(listed)


def _plain(callback: Any) -> dict[str, Any]:
    """A callback's class and arguments; paths and the like as text."""
    content = callback.as_dict() if isinstance(callback, Namespace) else callback
    plain: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return plain


def _name(callback: dict[str, Any]) -> str:
    return str(callback["class_path"]).rpartition(".")[2]


def _refuse_values(name: str, value: str) -> None:
    if load_yaml(value) is not False:
        raise UsageError(
            f"{_START}{name} takes only false, which switches it off, but is {value}; "
            f"write {_START}{name}.ARGUMENT to set an argument."
        )


def _put(arguments: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        below = arguments.get(key)
        arguments = arguments.setdefault(key, {}) if below is None else below
        arguments = arguments.get("init_args", arguments)
    arguments[path[-1]] = value
