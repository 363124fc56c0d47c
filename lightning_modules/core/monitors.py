"""Monitors of callbacks that no validation measures, refused before training."""

import difflib
from collections.abc import Collection, Sequence
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LambdaCallback, LearningRateMonitor

_KNOWN = ("lightning_modules.", "callbacks.", "lightning.pytorch.")
_LOGGED_IN_TRAINING = ("train/", "grad_norm/")  # not looked at: too many to state
_ALWAYS = ("", "epoch", "step")


@runtime_checkable
class NamesMetrics(Protocol):
    """What states the names of its metrics."""

    def metric_names(self) -> Collection[str]:
        """All that a validation may give; names without the stage."""


def refuse_monitors(callbacks: Sequence[Callback], module: Any) -> None:
    """Refuse a monitor that no validation measures.

    Only where this library and Lightning alone log values: a user's module, evaluator
    or callback may log any. Names of values of training are not looked at.

    Args:
        callbacks: Of the trainer.
        module: The method.

    Raises:
        ValueError: Naming a callback, its monitor and the nearest metric.
    """
    sources = [module.evaluator, *callbacks]
    stated = [s.metric_names() for s in sources if isinstance(s, NamesMetrics)]
    names = sorted({f"val/{name}" for part in stated for name in part})
    all_known = all(_is_known(source) for source in [module, *sources])
    for callback in callbacks:
        # Lightning's callbacks have a monitor, None, or no such attribute
        metric = vars(callback).get("monitor") or ""
        advice = module.evaluator.advice(metric)
        checked = all_known and vars(callback).get("strict", True)
        in_training = metric.startswith(_LOGGED_IN_TRAINING)
        is_right = in_training or metric in (*names, *_ALWAYS)
        if advice or (checked and not is_right):
            [nearest] = difflib.get_close_matches(metric, names, 1, cutoff=0)
            raise ValueError(
                f"{type(callback).__name__} in trainer.callbacks monitors '{metric}', "
                f"which no validation measures: {advice}monitor '{nearest}'."
            )


def _is_known(source: object) -> bool:
    """Whether all that it may log under ``val/`` is stated."""
    may_log = isinstance(source, LambdaCallback | LearningRateMonitor)
    return type(source).__module__.startswith(_KNOWN) and not may_log
