"""Callbacks of Lightning that can't work with manual optimisation, refused by name."""

from collections.abc import Sequence

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    BatchSizeFinder,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    WeightAveraging,
)
from lightning.pytorch.callbacks.spike import SpikeDetection

from lightning_modules.core.lightning_internals import saves_by_the_clock

_TRIES = "its trial steps would count as training: set {} and remove it"
_REASONS: dict[type[Callback], str] = {
    BatchSizeFinder: _TRIES.format("data.batch_size"),
    LearningRateFinder: _TRIES.format("the optimizers' rates"),
    BackboneFinetuning: "it needs a part named 'backbone': remove it",
    SpikeDetection: "it needs one loss a batch: remove it",
}
_NEEDS_WEIGHTS = (WeightAveraging, ModelPruning)


def refuse_callbacks(
    callbacks: Sequence[Callback], *, has_weights: bool = True
) -> None:
    """Refuse what would fail, train on other steps, or save nothing.

    Args:
        callbacks: Of the trainer.
        has_weights: Whether the module has its weights before it has seen the data.

    Raises:
        ValueError: Naming a callback, and what to do.
    """
    for callback in callbacks:
        if reason := _reason_against(callback, has_weights):
            raise ValueError(
                f"{type(callback).__name__} does not work with manual optimisation: "
                f"{reason} from trainer.callbacks."
            )


def _reason_against(callback: Callback, has_weights: bool) -> str | None:
    for kind, reason in _REASONS.items():
        if isinstance(callback, kind):
            return reason
    if isinstance(callback, _NEEDS_WEIGHTS) and not has_weights:
        return "embeddings are made when the data is known: remove it"
    if isinstance(callback, ModelCheckpoint) and saves_by_the_clock(callback):
        return (
            "its train_time_interval never passes: use callbacks.Checkpoint and "
            "remove it"
        )
    return None
