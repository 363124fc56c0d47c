"""Whether the file after ``--ckpt_path`` is sound and fits the configuration."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pydoc import locate
from typing import Any

import torch
from jsonargparse import Namespace

from datamodules.core.resumable import ResumableDataModule
from lightning_modules.core.files import damage, wrong_part
from lightning_modules.core.lightning_internals import raised_in_restoring
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.old_files import upgraded
from wasserstein_critics.cli.continuation import (
    changed_networks,
    changed_settings,
)
from wasserstein_critics.cli.errors import UsageError, explain
from wasserstein_critics.cli.run_folder import home_of, parent_of_runs

_ALIASES = ("best", "last", "hpc")
_OF_A_RUN = (
    *("optimizer_states", "lr_schedulers", "loops", "epoch", "global_step"),
    "callbacks",
)
_ANY_RUN = "runs/<name>/version_<n>/checkpoints/last.ckpt"


def check_checkpoint(path: str, config: Namespace, subcommand: str) -> None:
    """Refuse a checkpoint that can't be loaded into the configured model.

    Args:
        path: What stands after ``--ckpt_path``.
        config: Parsed configuration of one subcommand.
        subcommand: Its name. A fit has to be the one that wrote the checkpoint.

    Raises:
        UsageError: With the file and the remedy.
    """
    if path in _ALIASES:
        # Lightning looks in the directory of the new run, finds nothing and goes on.
        raise UsageError(
            f"ckpt_path '{path}' would be looked for in the new run's own directory, "
            "which has no checkpoints yet: name the file, e.g. "
            f"{_newest_checkpoint(config) or _ANY_RUN}."
        )
    content = read_checkpoint(Path(path))
    _check_method(path, content, config.model)
    saved = upgraded(_class(config.model), content.get("hyper_parameters") or {})
    for key, here, there in changed_networks(config.model, saved):
        raise UsageError(
            f"model.{key} is {here} but ckpt_path '{path}' was trained with {there}: "
            "give the config.yaml of that run, or another checkpoint."
        )
    if subcommand == "fit":
        changes = changed_settings(config, content, saved, home_of(path))
        _check_same_run(path, changes)
        _check_whole_run(path, content, _class(config.model), _class(config.data))


def _check_whole_run(
    path: str, content: dict[str, Any], method: type, data: type
) -> None:
    """Refuse to go on with weights alone, other random numbers or a first batch."""
    parts = [*_OF_A_RUN]
    parts += ["noise"] if issubclass(method, AlternatingModule) else []
    parts += [data.__qualname__] if issubclass(data, ResumableDataModule) else []
    missing = [part for part in parts if part not in content]
    if missing:
        raise UsageError(
            f"ckpt_path '{path}' holds no {' and no '.join(missing)}, so a fit can't "
            "go on with it: give a checkpoint that was saved without save_weights_only."
        )


def _check_same_run(path: str, changes: Iterator[tuple[str, Any, Any]]) -> None:
    found = [f"{key} is {here} where it has {there}" for key, here, there in changes]
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise UsageError(
            f"ckpt_path '{path}' goes on with a run as it was, but "
            f"{', '.join(found[:3])}{more}: give what the run has, as its config.yaml "
            "says it, or leave ckpt_path out to start a new run."
        )


def _newest_checkpoint(config: Namespace) -> Path | None:
    """The checkpoint last written by an earlier run of the same name."""
    paths = parent_of_runs(config).glob("*/checkpoints/*.ckpt")
    return max(paths, key=_age, default=None)


def _age(path: Path) -> tuple[int, bool]:
    return path.stat().st_mtime_ns, path.name == "last.ckpt"


def _class(model: Namespace) -> type:
    cls = locate(model.class_path)
    return cls if isinstance(cls, type) else object


def _check_method(path: str, content: dict[str, Any], model: Namespace) -> None:
    arguments = content.get("hyper_parameters") or {}
    ours = issubclass(_class(model), AlternatingModule)
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


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, if all of it is as it was written.

    Raises:
        UsageError: Naming the file, and the newest sound one beside it.
    """
    if not path.is_file():
        raise UsageError(f"ckpt_path: there is no file '{path}'.")
    content, reason = _loaded(path)
    if content is None:
        why = f" ({reason})" if reason else ""
        raise UsageError(
            f"ckpt_path '{path}' is not a complete checkpoint of this program{why}: "
            f"{_sound_neighbour(path)}."
        )
    return content


def _loaded(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """What a checkpoint holds, or None and the reason."""
    if reason := damage(path):
        return None, reason
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError):
        return None, None
    reason = wrong_part(content)
    return (content, None) if reason is None else (None, reason)


@contextmanager
def restoring(path: str | None) -> Iterator[None]:
    """Tell in a sentence what keeps a checkpoint from being loaded.

    Raises:
        UsageError: With the file, what is wrong, and a sound one beside it.
    """
    try:
        yield
    except Exception as error:
        if explain(error) or not raised_in_restoring(error):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        is_torch = lines and lines[0].startswith("Error(s) in loading state_dict")
        why = lines[1] if is_torch and lines[1:] else f"{type(error).__name__}: {error}"
        raise UsageError(
            f"ckpt_path '{path}' can't be loaded ({' '.join(why.split())[:160]}): "
            f"{_sound_neighbour(Path(str(path)))}."
        ) from error


def _sound_neighbour(path: Path) -> str:
    """Which checkpoint to give instead, at the end of a sentence."""
    steps: dict[Path, int] = {}
    for other in path.parent.glob("*.ckpt"):
        content = None if other == path else _loaded(other)[0]
        if content is not None:
            steps[other] = int(content.get("global_step", 0))
    if not steps:
        return "give another; there is none beside it"
    newest = max(steps, key=steps.__getitem__)
    return f"give '{newest}', of step {steps[newest]}"
