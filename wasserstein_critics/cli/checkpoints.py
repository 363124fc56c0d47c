"""Whether the file after ``--ckpt_path`` fits the configured networks."""

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from pydoc import locate
from typing import Any

import torch
from jsonargparse import Namespace

from lightning_modules.core.module import AlternatingModule
from wasserstein_critics.cli.errors import UsageError

_ALIASES = ("best", "last", "hpc")
_ANY_RUN = "runs/<name>/version_<n>/checkpoints/last.ckpt"


def check_checkpoint(path: str, config: Namespace) -> None:
    """Refuse a checkpoint that can't be loaded into the configured model.

    Args:
        path: What stands after ``--ckpt_path``.
        config: Parsed configuration of one subcommand.

    Raises:
        UsageError: With the file and the remedy.
    """
    if path in _ALIASES:
        # Lightning looks in the directory of the new run, finds nothing and goes on.
        raise UsageError(
            f"ckpt_path '{path}' would be looked for in the new run's own directory, "
            "which has no checkpoints yet: name the file, e.g. "
            f"{_newest_checkpoint(config.trainer) or _ANY_RUN}."
        )
    _compare(Path(path), config.model)


def _newest_checkpoint(trainer: Namespace) -> Path | None:
    """The checkpoint last written by an earlier run of the same name."""
    loggers = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
    if not loggers or not isinstance(loggers[0], Namespace):
        return None
    arguments = loggers[0].get("init_args") or {}
    root = arguments.get("save_dir") or trainer.default_root_dir or "."
    # W&B calls the directory of its runs a project
    name = arguments.get("project") or arguments.get("name") or ""
    paths = Path(root, name).glob("*/checkpoints/*.ckpt")
    return max(paths, key=_age, default=None)


def _age(path: Path) -> tuple[int, bool]:
    return path.stat().st_mtime_ns, path.name == "last.ckpt"


def _compare(path: Path, model: Namespace) -> None:
    content = _read_checkpoint(path)
    arguments = content.get("hyper_parameters") or {}
    cls = locate(model.class_path)
    ours = isinstance(cls, type) and issubclass(cls, AlternatingModule)
    if "pytorch-lightning_version" not in content or (
        ours and "_class_path" not in arguments
    ):
        raise UsageError(
            f"ckpt_path '{path}' holds weights but was not written by this program: "
            "give a checkpoint of one of its runs, such as last.ckpt."
        )
    saved = arguments.get("_class_path", model.class_path).split(".")[-1]
    configured = model.class_path.split(".")[-1]
    if saved != configured:
        raise UsageError(
            f"ckpt_path '{path}' was written by {saved} but the config says "
            f"{configured}: give the config.yaml of that run, or another checkpoint."
        )
    init_args = model.init_args.as_dict()
    for key, here, there in _network_differences(init_args, arguments):
        raise UsageError(
            f"model.{key} is {here} but ckpt_path '{path}' was trained with {there}: "
            "give the config.yaml of that run, or another checkpoint."
        )


def _read_checkpoint(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"ckpt_path: there is no file '{path}'.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UsageError(
            f"ckpt_path '{path}' is not a complete checkpoint of this program: give "
            "another, such as last.ckpt or an earlier step of the run."
        )
    return content


def _network_differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Keys of the networks in which two configurations differ, with both values."""
    for key in ours.keys() & theirs.keys():
        here, there = ours[key], theirs[key]
        if key.endswith(("optimizer", "scheduler")) or not _is_network(here, there):
            continue
        names = [side["class_path"].split(".")[-1] for side in (here, there)]
        if names[0] != names[1]:
            yield key, *names
        shared = here.get("init_args", {}), there.get("init_args", {})
        for name in shared[0].keys() & shared[1].keys():
            values = [_listed(side[name]) for side in shared]
            if values[0] != values[1]:
                yield f"{key}.{name}", *values


def _is_network(here: Any, there: Any) -> bool:
    return all(
        isinstance(side, dict) and "class_path" in side for side in (here, there)
    )


def _listed(value: Any) -> Any:
    return (
        [_listed(item) for item in value] if isinstance(value, list | tuple) else value
    )
