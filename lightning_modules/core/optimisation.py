"""Optimizers, schedules and learners of a method."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import lightning.pytorch as pl
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.optimizer import ParamsT

from lightning_modules.core.alternating import Turns
from lightning_modules.core.lightning_internals import gradient_scale
from lightning_modules.core.validation import check_positive

MANUAL_OPTIMISATION = {
    "gradient_clip_val": (
        "is not supported with manual optimisation: remove it and set model.clip_norm, "
        "or model.critic_clip_norm and model.generator_clip_norm."
    ),
    "accumulate_grad_batches": (
        "is not supported with manual optimisation: remove it and set a larger "
        "data.batch_size."
    ),
}
"""Flags of the trainer that manual optimisation does not support."""


class OptimizerSpec(NamedTuple):
    """Optimizer, schedule and gradient clipping of some weights.

    Attributes:
        key: Prefix of the options on the command line, such as ``critic_``.
        parameters: The weights, or groups of them.
        optimizer: Makes the optimizer.
        scheduler: Makes its learning-rate schedule, stepped once per counted step.
        clip_norm: Largest norm of all gradients in an update.
    """

    key: str
    parameters: ParamsT
    optimizer: OptimizerCallable
    scheduler: LRSchedulerCallable | None = None
    clip_norm: float | None = None


class Learner(NamedTuple):
    """An objective, its optimizers, and when they step.

    Attributes:
        name: Name under which its updates are counted.
        objective: Maps the output of ``prepare`` to a scalar loss.
        optimizers: Optimizers that step together, after one backward pass.
        steps: Updates per turn.
        waits: Whether it has a turn only when a counted step is due, not on every
            batch.
        counts: Whether its updates are the steps of ``trainer.global_step``; true of
            exactly one learner, which waits.
        against: Networks that are frozen during its updates.
        after_update: Called after each update.
    """

    name: str
    objective: Callable[[Any], Tensor]
    optimizers: Sequence[OptimizerSpec]
    steps: int = 1
    waits: bool = False
    counts: bool = False
    against: Sequence[nn.Module] = ()
    after_update: Callable[[], None] | None = None


@runtime_checkable
class SpreadOverRun(Protocol):
    """A schedule that needs the number of steps of the run."""

    def spread_over(self, steps: float) -> None:
        """Set the number of steps; infinite where training is unbounded."""


def check_specs(specs: Sequence[OptimizerSpec]) -> None:
    """Refuse a clipping norm that is not above 0 (ValueError)."""
    for spec in specs:
        check_positive(**{f"{spec.key}clip_norm": spec.clip_norm})


def check_trainable(learner: Learner) -> None:
    """Refuse a learner without a weight that requires gradients (ValueError)."""
    parts: list[Any] = [part for spec in learner.optimizers for part in spec.parameters]
    for part in parts:
        weights = part["params"] if isinstance(part, dict) else [part]
        if any(weight.requires_grad for weight in weights):
            return
    raise ValueError(
        f"No weight of {learner.name} requires gradients: call .unfreeze() on the "
        "model before fit, or requires_grad_() on the network."
    )


def make_optimizers(
    specs: Sequence[OptimizerSpec], n_steps: Callable[[], float]
) -> tuple[list[Optimizer], list[LRScheduler]]:
    """Optimizers in the order of their specifications, and their schedules.

    Args:
        specs: Specifications of the optimizers.
        n_steps: Returns the number of steps; called only if a schedule needs it.

    Raises:
        ValueError: If a schedule needs a metric.
    """
    optimizers, schedules = [], []
    for spec in specs:
        optimizers.append(spec.optimizer(spec.parameters))
        if spec.scheduler is None:
            continue
        schedule: Any = spec.scheduler(optimizers[-1])
        if isinstance(schedule, ReduceLROnPlateau):
            raise ValueError(
                f"{spec.key}scheduler is stepped once per counted step, without a "
                "metric: use LinearLR, CosineAnnealingLR or another schedule in steps "
                "instead of ReduceLROnPlateau."
            )
        if isinstance(schedule, SpreadOverRun):
            schedule.spread_over(n_steps())
        schedules.append(schedule)
    return optimizers, schedules


def steps_of_run(trainer: pl.Trainer, turns: Turns) -> float:
    """Number of counted steps of a run; infinite where it is unbounded."""
    estimate = trainer.estimated_stepping_batches  # loads the data if needed
    if trainer.max_epochs in (None, -1):
        return float("inf") if estimate in (-1, float("inf")) else estimate
    assert trainer.max_epochs is not None
    steps = turns.steps_in(int(trainer.num_training_batches * trainer.max_epochs))
    return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)


def clip_gradients(trainer: pl.Trainer, optimizer: Optimizer, limit: float) -> None:
    """Clip the norm of all gradients of an optimizer, before it steps."""
    limit *= gradient_scale(trainer, optimizer)
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(weights, limit)
