"""Settings in which a configuration differs from the run that it goes on with."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any

from jsonargparse import Namespace

from callbacks.runs.run_config import KEY, SETTINGS
from lightning_modules.core.public_names import declarations, public_path
from wasserstein_critics.cli.config_files import read_config

Change = tuple[str, Any, Any]
"""Key, value now, value of the run."""

_FREE = {"compile", "download", "max_gigabytes", "num_workers", "pin_memory"}
"""Settings of model and data that change no result."""
_PREDICTION = ("n_predict", "predict_")
_PLACES = {"root"}
"""Settings that say where the same data lies."""


def changed_networks(model: Namespace, saved: Mapping[str, Any]) -> Iterator[Change]:
    """Settings of networks in which a configured model differs from a saved one.

    Args:
        model: Configured model.
        saved: Arguments of the saved one.
    """
    ours = model.init_args.as_dict()
    for key in ours.keys() & saved.keys():
        is_trained = not key.endswith(("optimizer", "scheduler"))
        if is_trained and _is_class(ours[key]) and _is_class(saved[key]):
            yield from _changes(key, ours[key], saved[key])


def changed_settings(
    config: Namespace,
    checkpoint: Mapping[str, Any],
    arguments: Mapping[str, Any],
    home: Path | None = None,
) -> Iterator[Change]:
    """Settings in which a fit would not be the run that wrote the checkpoint.

    Those of the optimizers and schedules are in the checkpoint's own state, which would
    win over the configuration; others would act from here on.

    Args:
        config: Configuration of the fit.
        checkpoint: What the file holds.
        arguments: Arguments of its model. An earlier version wrote no other settings.
        home: The run's folder, whose config has them.
    """
    saved = checkpoint.get(KEY, {}).get("settings")
    if not saved:
        init_args = {k: v for k, v in arguments.items() if not k.startswith("_")}
        model = {"class_path": config.model.class_path, "init_args": init_args}
        written = {} if home is None else read_config(home / "config.yaml")
        saved = {**written, "model": model}
    for key in SETTINGS:
        here = config.get(key)
        here = here.as_dict() if isinstance(here, Namespace) else here
        if key in saved:
            yield from _changes(key, here, saved[key])


def _changes(key: str, here: Any, there: Any) -> Iterator[Change]:
    if _is_class(here) and _is_class(there):
        yield from _changes_of_class(key, here, there)
    elif isinstance(here, dict) and isinstance(there, dict):
        for name in sorted(here.keys() | there.keys()):
            values = (side.get(name) for side in (here, there))
            yield from _changes(f"{key}.{name}", *values)
    elif _plain(here) != _plain(there) and not _same_file(here, there):
        yield key, _plain(here), _plain(there)


def _changes_of_class(key: str, here: Any, there: Any) -> Iterator[Change]:
    names = [public_path(side["class_path"]).split(".")[-1] for side in (here, there)]
    if names[0] != names[1]:
        yield key, names[0], names[1]
        return
    ours, theirs = ({**(s.get("init_args") or {})} for s in (here, there))
    defaults = _defaults(here["class_path"])
    for name in sorted(ours.keys() | theirs.keys()):
        if name in _FREE | _PLACES or name.startswith(_PREDICTION):
            continue
        # an argument that one of two versions does not know has its default there
        values = (side.get(name, defaults.get(name)) for side in (ours, theirs))
        yield from _changes(f"{key}.{name}", *values)


def _defaults(class_path: str) -> dict[str, Any]:
    cls = locate(class_path)
    known = declarations(cls) if isinstance(cls, type) else {}
    parameters = {name: parameter for name, (_, parameter) in known.items()}
    empty = inspect.Parameter.empty
    return {n: p.default for n, p in parameters.items() if p.default is not empty}


def _is_class(value: Any) -> bool:
    return isinstance(value, dict) and "class_path" in value


def _same_file(here: Any, there: Any) -> bool:
    """Whether two strings may be paths of one file, in a directory that was moved."""
    if not isinstance(here, str) or not isinstance(there, str):
        return False
    return "/" in here + there and Path(here).name == Path(there).name


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
