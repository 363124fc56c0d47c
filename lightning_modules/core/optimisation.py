"""Optimizers, schedules and learners of a method."""

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
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


_PERIODS = ("total_iters", "step_size", "T_max", "T_0", "total_steps", "milestones")
_FACTORS = ("gamma", "eta_min", "power", "base_lrs", "max_lrs", "swa_lr")
_SHARES = ("momentum", "alpha")


def check_made(key: str, made: Optimizer | LRScheduler) -> None:
    """Refuse what torch accepts although no training can use it.

    Args:
        key: Its option on the command line.
        made: The optimizer or schedule.

    Raises:
        ValueError: If a number is NaN or infinite, a period below 1, a factor or rate
            below 0, a share above 1, or if it needs what a step does not give it.
    """
    is_optimizer = isinstance(made, Optimizer)
    if isinstance(made, Optimizer):
        values: Iterable[tuple[str, Any]] = made.defaults.items()
    else:
        groups = [[*group.items()] for group in made.optimizer.param_groups]
        values = chain(vars(made).items(), *groups)
    for name, value in values:
        is_one = isinstance(value, int | float)
        numbers = [value] if is_one or not isinstance(value, Iterable) else [*value]
        for number in numbers:
            if isinstance(number, int | float):
                _check_number(f"{key}.{name}", name, number, is_optimizer)
    closure = inspect.signature(type(made).step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ValueError(
            f"{key} {type(made).__name__} evaluates the loss several times a step, "
            "which does not work with manual optimisation: use Adam or another."
        )


def _check_number(key: str, name: str, value: float, is_optimizer: bool) -> None:
    if not math.isfinite(value):
        what = "NaN" if math.isnan(value) else "infinite"
        raise ValueError(f"{key} must not be {what}.")
    if is_optimizer:
        if name in _SHARES and value > 1:
            raise ValueError(f"{key} must be at most 1, got {value}.")
    elif name in _PERIODS and value < 1:
        raise ValueError(f"{key} must be at least 1, got {value}.")
    elif name in _FACTORS and value < 0:
        raise ValueError(f"{key} must be at least 0, got {value}.")


def make_optimizers(
    specs: Sequence[OptimizerSpec], n_steps: Callable[[], float]
) -> tuple[list[Optimizer], list[LRScheduler]]:
    """Optimizers in the order of their specifications, and their schedules.

    Args:
        specs: Specifications of the optimizers.
        n_steps: Returns the number of steps; called only if a schedule needs it.

    Raises:
        ValueError: If a schedule needs a metric, or see `check_made`.
    """
    optimizers, schedules = [], []
    for spec in specs:
        optimizers.append(spec.optimizer(spec.parameters))
        check_made(f"{spec.key}optimizer", optimizers[-1])
        if spec.scheduler is None:
            continue
        schedule: Any = spec.scheduler(optimizers[-1])
        if isinstance(schedule, ReduceLROnPlateau):
            raise ValueError(
                f"{spec.key}scheduler is stepped once per counted step, without a "
                "metric: use LinearLR, CosineAnnealingLR or another schedule in steps "
                "instead of ReduceLROnPlateau."
            )
        check_made(f"{spec.key}scheduler", schedule)
        if isinstance(schedule, SpreadOverRun):
            schedule.spread_over(n_steps())
        schedules.append(schedule)
    return optimizers, schedules


def check_states(specs: Sequence[OptimizerSpec], checkpoint: dict[str, Any]) -> None:
    """Refuse to go on where optimizers or schedules would silently start again.

    Raises:
        ValueError: If a checkpoint holds the states of more or fewer than there are.
    """
    schedules = [spec for spec in specs if spec.scheduler is not None]
    for key, ours in (("optimizer_states", specs), ("lr_schedulers", schedules)):
        n_saved = len(checkpoint.get(key, ours))
        if n_saved != len(ours):
            raise ValueError(
                f"The checkpoint has {n_saved} {key}, and this method {len(ours)}: go "
                "on with the config of the run that wrote it, or give another."
            )


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
