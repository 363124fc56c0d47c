"""The values of a config under the names that options have."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

ABSENT = "-"
"""What is shown where a config has no such value."""


def settings_of(config: Any) -> dict[str, Any]:
    """Values of a config by the names that options have, callbacks by their classes.

    >>> ema = {"class_path": "callbacks.WeightEMA", "init_args": {"decay": 0.9}}
    >>> settings_of({"trainer": {"callbacks": [ema]}})
    {'trainer.callbacks.WeightEMA': 'callbacks.WeightEMA',
     'trainer.callbacks.WeightEMA.decay': 0.9}
    """
    return {
        key.replace(".init_args", "").removesuffix(".class_path"): value
        for key, value in flattened(_by_class(config))
    }


def _by_class(config: Any) -> Any:
    """A config whose lists of classes are dicts by the name of the class.

    Other lists are written out, as options are.
    """
    if isinstance(config, Mapping):
        return {key: _by_class(value) for key, value in config.items()}
    if not isinstance(config, list):
        return config
    if config and not any(isinstance(one, Mapping) for one in config):
        return str(config)
    named: dict[str, Any] = {}
    for i, one in enumerate(config):
        path = one.get("class_path") if isinstance(one, Mapping) else None
        name = str(path).rpartition(".")[2] if path else str(i)
        named[f"{name}-{i}" if name in named else name] = _by_class(one)
    return named


_PLACES = re.compile(
    r"trainer\.(logger|default_root_dir|enable_\w+|log_every_n_steps|profiler)\b|config$"
)


def changes_training(setting: str) -> bool:
    """Whether a run's values may depend on a setting, by its name.

    Places, names and what is printed or logged change none.
    """
    return not _PLACES.match(setting)


def measured_by(config: Any) -> dict[str, Any]:
    """Settings on which what a run trains and validates may depend.

    Callbacks of this library observe, but for the averages that are validated.
    """
    flat = settings_of(config)
    observers = tuple(
        key
        for key, value in flat.items()
        if key.startswith("trainer.callbacks.")
        and str(value).startswith("callbacks.")
        and not str(value).endswith(".WeightEMA")
    )
    below = tuple(f"{key}." for key in observers)
    return {
        key: value
        for key, value in flat.items()
        if changes_training(key) and key not in observers and not key.startswith(below)
    }


def differences(before: Any, now: Any) -> list[list[Any]]:
    """Settings that two configs do not share: name, one value, the other.

    Those without influence on the training are left out, and the arguments of a class
    that only one of them has.
    """
    one, other = (
        {k: v for k, v in settings_of(config).items() if v is not None}
        for config in (before, now)
    )
    whole = {
        f"{key}."
        for key in one.keys() ^ other.keys()
        if str(one.get(key, other.get(key))).endswith(f".{key.rpartition('.')[2]}")
    }
    return [
        [key, one.get(key, ABSENT), other.get(key, ABSENT)]
        for key in sorted(one.keys() | other.keys())
        if one.get(key, ABSENT) != other.get(key, ABSENT)
        and changes_training(key)
        and not key.startswith(tuple(whole))
    ]


def flattened(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Values of a config by dotted path.

    >>> dict(flattened({"a": {"b": 1}, "c": [2, {"d": 3}]}))
    {'a.b': 1, 'c.0': 2, 'c.1.d': 3}
    """
    if isinstance(config, Mapping):
        parts: list[tuple[Any, Any]] = list(config.items())
    elif isinstance(config, list):
        parts = list(enumerate(config))
    else:
        yield path, config
        return
    for key, value in parts:
        yield from flattened(value, f"{path}.{key}" if path else str(key))
