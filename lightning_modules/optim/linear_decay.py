"""A learning rate that is used up when training ends."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class LinearDecay(LRScheduler):
    """The learning rate falls linearly to 0 over the whole training.

    Args:
        optimizer: Whose learning rates they are.
        total_iters: Updates until 0; None takes all updates of the training, from
            ``trainer.max_epochs`` or ``trainer.max_steps``, also after a resume.
        last_epoch: Updates that are done already, less one.

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

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def last(self, updates: float) -> None:
        """Fall over so many updates, unless a number was given.

        Raises:
            ValueError: If the training has no end.
        """
        if self.total_iters is None:
            if updates in (-1, float("inf")):
                raise ValueError(
                    "LinearDecay falls until training ends: set trainer.max_epochs or "
                    "trainer.max_steps, or scheduler.init_args.total_iters."
                )
            self.total_iters = int(updates)

    def get_lr(self) -> list[Any]:
        """Learning rates of the next update."""
        total = self.total_iters or 1
        left = max(0.0, 1 - self.last_epoch / total) if self.last_epoch else 1.0
        return [rate * left for rate in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """All but the number of updates, which the config says anew."""
        state: dict[str, Any] = super().state_dict()
        return {key: value for key, value in state.items() if key != "total_iters"}
