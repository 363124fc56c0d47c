"""Records: the values of a training step that are logged."""

from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lightning_modules.core.evaluation import Values


class Records:
    """Values of the running step, kept on their device until it ends.

    Args:
        module: The method, whose ``global_step`` is the axis.

    Attributes:
        active: Whether the values of the running step will be logged.
        every: Counted steps between two that are logged.
        last: The last step of the training, which is logged too.
    """

    def __init__(self, module: pl.LightningModule) -> None:
        self.module, self.active, self.every, self.last = module, False, 0, -1
        self._values: dict[str, Tensor] = {}

    def start(self, *, due: bool) -> None:
        """Begin a batch; ``due`` if it ends a counted step. The last one is logged."""
        step = self.module.global_step + 1
        is_logged = step == self.last or step % max(self.every, 1) == 0
        self.active = due and self.every > 0 and is_logged

    def add(self, **values: Tensor) -> None:
        """Keep ``train/<name>``, if the step is one that is logged."""
        if self.active:
            self._values.update({f"train/{k}": v.detach() for k, v in values.items()})

    def end(self) -> None:
        """Send what was kept to the progress bar, and to all loggers at once."""
        if self._values:
            self.module.log_dict(self._values, prog_bar=True, logger=False)
            self.publish(self._values)
            self._values = {}
        self.active = False

    def publish(self, values: Values) -> None:
        """Send values to all loggers, on the axis of counted steps."""
        numbers = {key: float(value) for key, value in values.items()}
        step = self.module.global_step
        loggers: list[Any] = self.module.loggers
        for logger in loggers:
            logger.log_metrics(numbers, step=step)
