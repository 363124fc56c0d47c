"""Learning-rate schedules that last as long as training does."""

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

WARM_UP = 0.25


class _OverRun(LRScheduler):
    """The learning rate follows a curve over the whole training.

    Every method of this library tells it how many steps that is (`spread_over`).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def share(self, step: int, total: int) -> float:
        """Share of the initial learning rate for a step, from 0, of all."""
        raise NotImplementedError

    def spread_over(self, steps: float) -> None:
        """Last for so many steps, unless a number was given.

        Raises:
            ValueError: If training has no end.
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
            ValueError: After the first step, if nothing said how long training lasts.
        """
        if self.total_iters is None:
            if self.last_epoch > 0:
                raise ValueError(
                    f"{type(self).__name__} does not know how long training lasts: "
                    "give it total_iters."
                )
            return list(self.base_lrs)
        share = self.share(self.last_epoch, self.total_iters)
        return [rate * share for rate in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """All but the number of steps, which the config says again."""
        state: dict[str, Any] = super().state_dict()
        return {key: value for key, value in state.items() if key != "total_iters"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a step, at the rate that it has in a training of this length."""
        super().load_state_dict(state_dict)
        if self.total_iters is not None:
            self._set_rates()


class LinearDecay(_OverRun):
    """Linear decay of the learning rate to 0 over the whole training.

    Args:
        optimizer: Whose learning rates they are.
        total_iters: Steps until 0; None takes all steps of the training, from
            ``trainer.max_epochs`` or ``trainer.max_steps``, also after a resume.
        last_epoch: Steps that are done already, less one.

    Raises:
        ValueError: If nothing says how long training lasts.

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
        """From 1 to 0."""
        return max(0.0, 1 - step / total) if step else 1.0


class OneCycle(_OverRun):
    """Up over the first quarter of the training, then down to 0 along half a cosine.

    The rates are those at the middles of the steps, so that none is 0.

    Args:
        optimizer: Whose learning rates they are; its own are the peak.
        total_iters: Steps of the cycle; None takes all steps of the training.
        last_epoch: Steps that are done already, less one.

    References:
        Smith and Topin 2018, "Super-convergence", arXiv:1708.07120.
    """

    def share(self, step: int, total: int) -> float:
        """See `one_cycle`."""
        return one_cycle((step + 0.5) / total)


def one_cycle(progress: float) -> float:
    """Share of the peak learning rate after a share of the training.

    >>> [round(one_cycle(t), 3) for t in (0.0, 0.125, 0.25, 0.625, 1.0, 2.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    if progress < WARM_UP:
        return progress / WARM_UP
    falling = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return (1 + math.cos(math.pi * falling)) / 2
