"""Files of version 0.1: what they say differently."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from lightning_modules.core.files import check_undamaged, wrong_part
from lightning_modules.core.hparams import check_arguments
from lightning_modules.core.public_names import (
    accepted_names,
    public_class,
    public_path,
)

RETIRED = {
    *("critic_steps", "critic_optimizer", "critic_scheduler", "critic_clip_norm"),
    "warmup",
}
"""Options that methods without a critic or a warm-up had in 0.1, and did not use."""
FORMER: Mapping[str, tuple[set[str], dict[str, Any]]] = {
    "PlantedInteractions": (
        {"n_users", "n_items", "n_taken", "dim", "reach", "seed", "num_workers"},
        {"draw_order": True},
    )
}
"""Data modules: arguments that all stand in a config which a run of 0.1 wrote, and new
ones with the values that they had in effect then."""


def upgraded(cls: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a module as they are called now.

    >>> upgraded(dict, {"net": {"class_path": "lightning_modules.wgan_gp.WGANGP"}})
    {'net': {'class_path': 'lightning_modules.WGANGP'}}
    """
    unknown = RETIRED - accepted_names(cls)
    new: dict[str, Any] = upgraded_config(dict(arguments))
    return {key: value for key, value in new.items() if key not in unknown}


def upgraded_config(node: Any) -> Any:
    """A config, or a part of one, with classes and options as they are called now.

    >>> upgraded_config({"class_path": "lightning_modules.optimizers.GANAdam"})
    {'class_path': 'lightning_modules.GANAdam'}
    """
    if isinstance(node, list):
        return [upgraded_config(item) for item in node]
    if not isinstance(node, dict):
        return public_path(node) if isinstance(node, str) else node
    new = {key: upgraded_config(value) for key, value in node.items()}
    written, former = FORMER.get(str(new.get("class_path")).split(".")[-1], (set(), {}))
    if former and written <= (given := new.get("init_args") or {}).keys():
        new["init_args"] = former | given
    cls, arguments = public_class(str(new.get("class_path"))), new.get("init_args")
    if cls is not None and isinstance(arguments, dict):
        unknown = RETIRED - accepted_names(cls)
        new["init_args"] = {k: v for k, v in arguments.items() if k not in unknown}
    return new


def load_upgraded(cls: type, path: Any, given: Iterable[str] = ()) -> Any:
    """The checkpoint itself, or where it is of another version, what it is now.

    Args:
        cls: The module that is to be built from it.
        path: A file.
        given: Names of arguments that replace those in the file.

    Returns:
        What ``load_from_checkpoint`` takes.

    Raises:
        ValueError: If the file is not as it was written, or by another class, or that
            class has no such argument.
    """
    if not isinstance(path, str | Path) or not Path(path).is_file():
        return path
    check_undamaged(path)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if reason := wrong_part(checkpoint):
        raise ValueError(
            f"'{path}' does not hold a checkpoint ({reason}): give a file that a "
            "trainer saved, or load weights with load_state_dict."
        )
    arguments = checkpoint.get("hyper_parameters", {})
    check_arguments(cls, path, arguments.get("_class_path"), given)
    checkpoint["hyper_parameters"] = upgraded(cls, arguments)
    if checkpoint["hyper_parameters"] == arguments:
        return path
    file = io.BytesIO()
    torch.save(checkpoint, file)
    file.seek(0)
    return file


def rename_encoder(checkpoint: dict[str, Any]) -> None:
    """Give the weights of the item encoder the names that they have now."""
    weights = checkpoint["state_dict"]
    for name in [name for name in weights if name.startswith("places.")]:
        weights[name.replace("places.", "item_encoder.", 1)] = weights.pop(name)


def count_steps_manually(checkpoint: dict[str, Any]) -> None:
    """Let a run that was optimised automatically go on from its step.

    `MetricLearner` and `Classifier` were, and Lightning counts the two apart.
    """
    loops = checkpoint.get("loops", {}).get("fit_loop", {})
    key = "epoch_loop.manual_optimization.optim_step_progress"
    if loops and not loops[key]["total"]["completed"]:
        steps = checkpoint["global_step"]
        loops[key]["total"] = {"ready": steps, "completed": steps}
