"""What a callback needs of the module or the data, refused in one sentence.

Each function returns what it was given, or what the callback needs of it, and raises
ValueError with a sentence that names the callback and what is missing.
"""

from typing import Any, TypeVar

from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_modules.core.module import AlternatingModule
from lightning_modules.data_contracts.contracts import (
    ComparesSamples,
    DrawsSamples,
    HasFeatures,
    HasPoints,
    InteractionSource,
    KnownModes,
    RanksItems,
    TwoDomainData,
    data_of,
)

T = TypeVar("T")


def _module(
    callback: Callback, module: LightningModule, kind: type[T], does: str, no: str
) -> T:
    if isinstance(module, kind):
        return module
    raise _refusal(callback, module, does, no)


def _refusal(
    callback: Callback, module: LightningModule, does: str, no: str
) -> ValueError:
    return ValueError(
        f"{type(callback).__name__} {does}, and {type(module).__name__} {no}: "
        "remove it from trainer.callbacks."
    )


def require_generator(c: Callback, module: LightningModule) -> DrawsSamples:
    """The module, which draws samples."""
    return _module(c, module, DrawsSamples, "draws samples", "has no generator")  # type: ignore[type-abstract]


def require_critic(c: Callback, module: LightningModule) -> ComparesSamples:
    """The module, whose critic compares two sets of samples."""
    has_critic = "critic" in dict(module.named_children())
    if has_critic and isinstance(module, ComparesSamples):
        return module
    raise _refusal(c, module, "evaluates a critic", "has none")


def require_features(c: Callback, module: LightningModule) -> HasFeatures:
    """The module, which maps samples to features."""
    return _module(c, module, HasFeatures, "draws features", "has none")  # type: ignore[type-abstract]


def require_ranker(callback: Callback, module: LightningModule) -> RanksItems:
    """The part of the module that ranks items for users."""
    part = module.evaluator if isinstance(module, AlternatingModule) else None
    if isinstance(part, RanksItems):
        return part
    does = "is for models that rank items for users"
    raise _refusal(callback, module, does, "is none")


def require_points(c: Callback, module: LightningModule) -> HasPoints:
    """The module, which has a point or a vector of factors for each user and item."""
    does = "is for models with a vector for each user and item"
    return _module(c, module, HasPoints, does, "has none")  # type: ignore[type-abstract]


def require_modes(callback: Callback, trainer: Trainer) -> tuple[Any, float]:
    """Centres (k, d) of the data's modes, and their standard deviation."""
    data = data_of(trainer)
    if isinstance(data, KnownModes) and data.modes is not None:
        return data.modes, data.mode_std
    raise ValueError(
        f"{type(callback).__name__} needs data with known modes, but "
        f"{type(data).__name__} has none: remove it from trainer.callbacks."
    )


def require_domains(callback: Callback, trainer: Trainer) -> Any:
    """The data module of two domains."""
    return _data(callback, trainer, TwoDomainData, "two domains", "DigitsShift")


def require_interactions(callback: Callback, trainer: Trainer) -> Any:
    """The data module of users and items."""
    what, such = "users and items", "PlantedInteractions"
    return _data(callback, trainer, InteractionSource, what, such)


def _data(
    callback: Callback, trainer: Trainer, kind: type, what: str, such: str
) -> Any:
    data = data_of(trainer)
    if isinstance(data, kind):
        return data
    given = "there is no data module" if data is None else type(data).__name__
    raise ValueError(
        f"{type(callback).__name__} needs data of {what}, such as {such}, and not what "
        f"is set ({given}): remove it from trainer.callbacks."
    )
