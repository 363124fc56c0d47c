"""Learning-rate schedules over the whole run."""

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules.core.validation import check_at_least

WARM_UP = 0.25


class _OverRun(LRScheduler):
    """A learning rate that follows a curve over the whole run.

    Every method of this library passes the number of steps to `spread_over`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        check_at_least(1, total_iters=total_iters)
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def share(self, step: int, total: int) -> float:
        """Factor of the initial learning rate at a step, from 0, of ``total``."""
        raise NotImplementedError

    def spread_over(self, steps: float) -> None:
        """Set the number of steps, unless ``total_iters`` was given.

        Raises:
            ValueError: If training is unbounded.
        """
        if self.total_iters is not None:
            return
        if steps in (-1, math.inf):
            raise ValueError(
                f"{type(self).__name__} lasts until training ends: set "
                "trainer.max_epochs or trainer.max_steps, or "
                "scheduler.init_args.total_iters."
            )
        self.total_iters = int(steps)
        self._set_rates()

    def _set_rates(self) -> None:
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def get_lr(self) -> list[Any]:
        """Learning rates of the next step.

        Raises:
            ValueError: After the first step, if the number of steps is unknown.
        """
        if self.total_iters is None:
            if self.last_epoch > 0:
                raise ValueError(
                    f"{type(self).__name__} does not know how long training lasts: "
                    "set total_iters."
                )
            return list(self.base_lrs)
        share = self.share(self.last_epoch, self.total_iters)
        return [rate * share for rate in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """The state without the number of steps, which the config sets again."""
        state: dict[str, Any] = super().state_dict()
        return {key: value for key, value in state.items() if key != "total_iters"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the step, and set its rate in a run of this length."""
        super().load_state_dict(state_dict)
        if self.total_iters is not None:
            self._set_rates()


class LinearDecay(_OverRun):
    """Linear decay of the learning rate to 0 over the whole run.

    Args:
        optimizer: Optimizer whose learning rates are set.
        total_iters: Steps until 0; None for all steps of the run, from
            ``trainer.max_epochs`` or ``trainer.max_steps``, also after a resume.
        last_epoch: Number of steps done before, less one.

    Raises:
        ValueError: If the number of steps is unknown, or below 1.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> schedule = LinearDecay(optimizer, total_iters=4)
        >>> for _ in range(3):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [0.25]
    """

    def share(self, step: int, total: int) -> float:
        """Linear factor from 1 to 0."""
        return max(0.0, 1 - step / total) if step else 1.0


class OneCycle(_OverRun):
    """One-cycle schedule: linear warm-up over a quarter, cosine decay to 0.

    The rates are those at the midpoints of the steps, so that none is 0.

    Args:
        optimizer: Optimizer whose learning rates are set; its own are the peak.
        total_iters: Steps of the cycle; None for all steps of the run.
        last_epoch: Number of steps done before, less one.

    References:
        Smith and Topin 2018, "Super-convergence", arXiv:1708.07120.
    """

    def share(self, step: int, total: int) -> float:
        """Factor of `one_cycle` at the midpoint of the step."""
        return one_cycle((step + 0.5) / total)


def one_cycle(progress: float) -> float:
    """Factor of the peak learning rate after a share of the run.

    >>> [round(one_cycle(t), 3) for t in (0.0, 0.125, 0.25, 0.625, 1.0, 2.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    if progress < WARM_UP:
        return progress / WARM_UP
    falling = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return (1 + math.cos(math.pi * falling)) / 2
