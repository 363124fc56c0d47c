"""A validation at the end of every fit."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override


class FinalValidation(Callback):
    """Has the trainer validate after the last batch, whatever its intervals are.

    A run that was shortened, or whose length is no multiple of ``val_check_interval``,
    would otherwise end with weights that nothing has evaluated and `Checkpoint` has not
    ranked. A run without validation (``limit_val_batches: 0``) stays without.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> Trainer(max_steps=1000, callbacks=[FinalValidation()]).max_steps
        1000
    """

    def __init__(self) -> None:
        self._intervals: tuple[Any, Any] | None = None

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        """Make a validation due now if this was the last batch."""
        if self._intervals is None and _is_last_batch(trainer):
            self._intervals = trainer.val_check_batch, trainer.check_val_every_n_epoch
            trainer.val_check_batch, trainer.check_val_every_n_epoch = 1, None

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the trainer its intervals back."""
        if self._intervals is not None:
            trainer.val_check_batch, trainer.check_val_every_n_epoch = self._intervals
            self._intervals = None


def _is_last_batch(trainer: Trainer) -> bool:
    if trainer.should_stop or 0 <= trainer.max_steps <= trainer.global_step:
        return True
    epochs = trainer.max_epochs
    last_epoch = epochs is not None and 0 <= epochs <= trainer.current_epoch + 1
    return last_epoch and trainer.is_last_batch
