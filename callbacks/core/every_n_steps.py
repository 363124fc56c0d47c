"""Base of callbacks that act after every n-th update."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.validation import check_at_least


class EveryNSteps(Callback):
    """Acts when a batch has ended with an update that ``every_n_steps`` divides.

    ``trainer.global_step`` counts updates of the generator or encoder, one for several
    batches where the critic is updated more often; a callback that asked the step
    alone would act once for each of these batches. Subclasses define `on_step`.

    Args:
        every_n_steps: Updates (of the generator or encoder) between two actions; None
            never acts.

    Raises:
        ValueError: If the number is below 1.
    """

    def __init__(self, every_n_steps: int | None) -> None:
        check_at_least(1, every_n_steps=every_n_steps)
        self.every_n_steps = every_n_steps

    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        """Act; called on all ranks, with the batch that the update was made on."""
        raise NotImplementedError

    def is_due(self, step: int) -> bool:
        """Whether ``every_n_steps`` divides a step."""
        return self.every_n_steps is not None and step % self.every_n_steps == 0

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any,
        *_: Any,
    ) -> None:  # fmt: skip
        if step_ended(pl_module) and self.is_due(trainer.global_step):
            self.on_step(trainer, pl_module, batch)


def steps_made(module: LightningModule) -> int:
    """Number of steps behind the weights; a test by itself makes none of its own."""
    if isinstance(module, AlternatingModule):
        return module.steps_made
    return module.global_step


def step_ended(module: LightningModule) -> bool:
    """Whether the batch that just ended made an update that ``global_step`` counts."""
    return not isinstance(module, AlternatingModule) or module.step_ended
