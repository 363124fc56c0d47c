"""What is wrong with a config as a file, where the parser's words are no help."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from wasserstein_critics.cli.config_files import read_config, yaml_problem
from wasserstein_critics.cli.errors import UsageError
from wasserstein_critics.cli.yaml_values import load_yaml
from wasserstein_critics.shipped import CONFIG_OPTIONS, meant

_EXAMPLE = "wgan_gp/digits"
_OF_A_CLASS = ("class_path", "init_args", "dict_kwargs")


def explain_config(text: str, args: Iterable[str]) -> str | None:
    """A file that is not there, or that can't be read.

    Args:
        text: What the parser said.
        args: The command line.
    """
    words = list(args)
    if match := re.search(
        r"(?:File does not exist|Path is not a file): '([^']+)'", text
    ):
        end = meant(match[1], words)
        return f"there is no config file '{match[1]}' (--config){end}"
    if "--config=" in words or ("--config", "") in pairwise(words):
        return f"--config names no file: give a path, such as {_EXAMPLE}."
    if sweep := next(filter(_is_sweep, _config_paths(words)), None):
        return f"'{sweep}' is no config of a run: give it to `wandb sweep`."
    signs = ("Problems parsing config", "Unexpected config", "codec can't decode")
    if not any(sign in text for sign in signs):
        return None
    problem = next(filter(None, map(yaml_problem, _config_paths(words))), None)
    return problem or f"a config file can't be read: {' '.join(text.split())}"


def explain_value(args: Iterable[str]) -> str | None:
    """A value on the command line that begins like YAML and is none."""
    words = list(args)
    for word, following in pairwise([*words, ""]):
        key, equals, value = word.partition("=")
        value = value if equals else following
        if key.startswith("--") and value.startswith(("{", "[")):
            try:
                load_yaml(value)
            except yaml.MarkedYAMLError as error:
                return f"the value of {key} can't be read: {error.problem}."
            except yaml.YAMLError:  # a character that no text has
                return f"the value of {key} is not YAML."
    return None


def explain_key_beside_class(wrong: str, args: Iterable[str]) -> str | None:
    """An argument of a class that stands at the height of its ``class_path``.

    The parser may take all of them for arguments of the class that was set before.

    Args:
        wrong: The key that the parser named.
        args: The command line.
    """
    misplaced = (key for setting in _settings(args) for key in _beside(*setting))
    for path, cls in misplaced:
        owner, _, key = path.rpartition(".")
        if not wrong or not (wrong.startswith(owner) or owner.startswith(wrong)):
            continue
        if near := get_close_matches(key, _OF_A_CLASS, n=1):
            return f"unknown key {path} beside class_path; did you mean '{near[0]}'?"
        return f"{path} stands beside class_path: move it under init_args of {cls}."
    return None


def _config_paths(args: Iterable[str]) -> list[Path]:
    """The files that the command line names after ``--config`` or ``-c``."""
    words, paths = list(args), []
    for word, following in pairwise([*words, ""]):
        if word in CONFIG_OPTIONS:
            paths.append(Path(following))
        elif word.startswith("--config="):
            paths.append(Path(word.removeprefix("--config=")))
    return [path for path in paths if path.is_file()]


def _is_sweep(path: Path) -> bool:
    content = _content(path)
    return isinstance(content, dict) and {"method", "parameters"} <= content.keys()


def _settings(args: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Keys with what is set below them: files, and values on the command line."""
    words = list(args)
    yield from (("", _content(path)) for path in _config_paths(words))
    for word, following in pairwise([*words, ""]):
        key, equals, value = word.partition("=")
        value = value if equals else following
        if not key.startswith("--") or key == "--config":
            continue
        if value.startswith(("{", "[")):
            with suppress(yaml.YAMLError):
                yield key.strip("-+"), load_yaml(value)
        elif _is_file(value):
            yield key.strip("-+"), _content(Path(value))


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # a name longer than names can be
        return False


def _content(path: Path) -> Any:
    with suppress(OSError, UsageError):
        return read_config(path)
    return None


def _beside(path: str, node: Any) -> Iterator[tuple[str, str]]:
    """Keys beside a ``class_path`` below this one, with the name of the class."""
    if isinstance(node, list):
        for item in node:
            yield from _beside(path, item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        # init_args is no part of a key on the command line
        below = path if key == "init_args" else f"{path}.{key}".strip(".")
        if "class_path" in node and key not in _OF_A_CLASS:
            yield below, str(node["class_path"]).split(".")[-1]
        yield from _beside(below, value)
