"""Config files, and the shared parts that they name by ``defaults``.

An experiment states what is its own; what all experiments of a data set share stands in
a file that it names, or in several, relative to its own directory (or by the short name
of a shipped one):

    defaults: ../defaults/ring8.yaml

The files are read first, a later one wins over an earlier one, and the experiment's own
keys win over all. Dicts merge key by key; lists, values and dicts of another class
replace what was there, and ``callbacks+`` appends to a list.
"""

from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from lightning_modules.core.old_files import upgraded_config
from lightning_modules.core.yaml_size import RefusedYAMLError
from wasserstein_critics.cli.errors import UsageError
from wasserstein_critics.cli.help import Help
from wasserstein_critics.cli.yaml_values import load_yaml
from wasserstein_critics.shipped import meant, shipped_path

_KEY = "defaults"
_LARGEST = 10 * 2**20  # bytes; those that ship have two thousand


class ConfigParser(LightningArgumentParser):
    """A parser that reads config files with their defaults.

    All it does afterwards (``--print_config``, the run's ``config.yaml``) shows the
    values that came out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": Help, **kwargs})

    def parse_string(self, content: str, path: Any = "", **kwargs: Any) -> Namespace:
        """Parse the text of a config file, within whose directory this is called."""
        resolved = _resolved_text(content, Path.cwd() / (path or "command line"))
        parsed: Namespace = super().parse_string(resolved, path, **kwargs)
        return parsed


def read_config(path: Path) -> dict[str, Any]:
    """What a config file says together with its defaults.

    Args:
        path: A YAML file.

    Returns:
        Its keys, without ``defaults``. Classes of ours have their public names.

    Raises:
        UsageError: If the file, or one that it names, can't be read.
    """
    return _with_defaults(_own_keys(path), path, ())


def config_text(path: Path) -> str:
    """The text of a config file, which is a regular file and not huge.

    Raises:
        UsageError: With the file; reading a pipe or a device might never end.
    """
    if not path.exists():
        raise UsageError(f"there is no config file '{path}'.")
    if not path.is_file():
        raise UsageError(
            f"config file '{path}' is a folder, a pipe or a device: name a YAML file."
        )
    if (size := path.stat().st_size) > _LARGEST:
        raise UsageError(
            f"config file '{path}' has {size:,} bytes, and {_LARGEST:,} are read: name "
            "a YAML file."
        )
    return path.read_text("utf-8")


def yaml_problem(path: Path) -> str | None:
    """Why a file holds no config, in a sentence, or None."""
    try:
        _own_keys(path)
    except UsageError as error:
        return str(error)
    return None


def _own_keys(path: Path) -> dict[str, Any]:
    """Keys of a file, without those of its defaults."""
    where = f"config file '{path}'"
    try:
        content = load_yaml(config_text(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}{_why_not_yaml(error)}") from error
    if isinstance(content, dict):
        return content
    raise UsageError(f"{where} holds no keys: write lines such as 'model: ...'.")


def _why_not_yaml(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """The end of a sentence that begins with the file."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return " is not a text file in YAML."
    line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
    what = "" if isinstance(error, RefusedYAMLError) else " is not YAML"
    return f"{line}{what}: {error.problem}."


def _resolved_text(text: str, path: Path) -> str:
    try:
        content = load_yaml(text)
    except yaml.YAMLError:
        return text  # the parser says what is wrong
    if not isinstance(content, dict):
        return text
    resolved = _with_defaults(content, path, ())
    if resolved == content:
        return text
    # With every scalar in quotes and tagged, no string is read back as a number.
    return str(yaml.safe_dump(resolved, default_style='"'))


def _with_defaults(
    content: dict[str, Any], path: Path, readers: tuple[Path, ...]
) -> dict[str, Any]:
    """The content of a file over what its defaults say; readers led to this file."""
    own: dict[str, Any] = upgraded_config(content)
    resolved: dict[str, Any] = {}
    chain = (*readers, path.resolve())
    for name in _names(own.pop(_KEY, []), path):
        beside = path.parent / name
        file = beside if beside.is_file() else shipped_path(name) or beside
        where = f"config file '{path}': {_KEY} names '{name}'"
        if not file.is_file():
            text = f"{where}, but there is no file '{file.resolve()}'{meant(name)}"
            raise UsageError(text)
        if file.resolve() in chain:
            raise UsageError(f"{where}, whose defaults lead back to it: remove one.")
        try:
            shared = _own_keys(file)
        except UsageError as error:
            raise UsageError(f"{where}, but {error}") from error
        resolved = _merged(resolved, _with_defaults(shared, file, chain))
    merged: dict[str, Any] = _merged(resolved, own)
    return merged


def _names(value: Any, path: Path) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    raise UsageError(
        f"config file '{path}': {_KEY} must be the path of a config file or a list of "
        f"paths, but is {value!r}."
    )


def _merged(base: Any, own: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(own, dict) or _differ(base, own):
        return own
    merged = dict(base)
    for key, value in own.items():
        whole = str(key).removesuffix("+")
        if whole != key:
            target = whole if whole in merged else key
            merged[target] = [*_listed(merged.get(target)), *_listed(value)]
        else:
            merged.pop(f"{key}+", None)
            merged[key] = _merged(merged.get(key), value)
    return merged


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _differ(base: dict[str, Any], own: dict[str, Any]) -> bool:
    """Whether both name a class, and not the same."""
    names = [str(side.get("class_path", "")).split(".")[-1] for side in (base, own)]
    return all(names) and names[0] != names[1]
