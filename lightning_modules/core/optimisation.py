"""Optimisation in one home: what is optimised, how, and for how long."""

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
"""Flags of the trainer that Lightning refuses, and what to do instead."""


class OptimizerSpec(NamedTuple):
    """How some weights are optimised.

    Attributes:
        key: How the options begin on the command line, such as ``critic_``.
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
    """What descends which objective, how often, and against whom.

    Attributes:
        name: What its updates are counted under.
        objective: Maps what ``prepare`` made of the batch to a scalar.
        optimizers: They step together, after one backward pass.
        steps: Updates at each of its turns.
        waits: Whether its turn comes only when a counted step is due, and not on every
            batch.
        counts: Whether its updates are the steps of ``trainer.global_step``; exactly
            one learner's are, and it waits.
        against: Networks that its gradients pass through and leave as they are.
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
    """A schedule that needs to know how long training lasts."""

    def spread_over(self, steps: float) -> None:
        """Take the number of steps; infinite where training has no end."""


def check_specs(specs: Sequence[OptimizerSpec]) -> None:
    """Refuse a clipping norm that is not above 0 (ValueError)."""
    for spec in specs:
        check_positive(**{f"{spec.key}clip_norm": spec.clip_norm})


def make_optimizers(
    specs: Sequence[OptimizerSpec], n_steps: Callable[[], float]
) -> tuple[list[Optimizer], list[LRScheduler]]:
    """Optimizers in the order of their specifications, and their schedules.

    Args:
        specs: What to make.
        n_steps: How many steps training lasts, asked only if a schedule needs it.

    Raises:
        ValueError: If a schedule waits for a metric.
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
    """Counted steps of a whole training; infinite where it has no end."""
    estimate = trainer.estimated_stepping_batches  # loads the data where it must
    if trainer.max_epochs in (None, -1):
        return float("inf") if estimate in (-1, float("inf")) else estimate
    assert trainer.max_epochs is not None
    steps = turns.steps_in(int(trainer.num_training_batches * trainer.max_epochs))
    return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)


def clip_gradients(trainer: pl.Trainer, optimizer: Optimizer, limit: float) -> None:
    """Clip the norm of all gradients that an optimizer is about to use."""
    limit *= gradient_scale(trainer, optimizer)
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(weights, limit)
