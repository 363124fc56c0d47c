"""Checkpoints that count player updates and are whole or absent."""

import time
from pathlib import Path
from typing import Any
from weakref import proxy

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, tensor

from callbacks.files import put_in_place

PART = ".part"


class Checkpoint(ModelCheckpoint):
    """`ModelCheckpoint` for modules that step their optimizers themselves.

    Takes the arguments of `ModelCheckpoint`; what differs:

    * ``every_n_train_steps`` counts player updates and fires once per multiple, not
      again in the critic's batches that follow, nor after a resume.
    * ``train_time_interval`` works (Lightning ignores it under manual optimisation).
    * If a validation follows the batch, the checkpoint is written after it, so that
      a resumed run neither repeats nor skips the validation.
    * ``step`` in a file name is the number of player updates at that moment.
    * A checkpoint gets its name only when it is whole. Lightning writes into the
      system's temporary directory and moves the file, which copies, and can be
      killed half-way, when that is another file system.
    """

    _steps = 0
    _after_validation = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from here: a resumed run has saved its present step already."""
        super().on_train_start(trainer, pl_module)
        self._steps = trainer.global_step
        self._after_validation = False
        if trainer.is_global_zero and self._is_local() and self.dirpath:
            for rest in Path(self.dirpath).glob(f"*{self.FILE_EXTENSION}{PART}"):
                rest.unlink()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Save if a multiple of ``every_n_train_steps`` was reached or time is up."""
        before, self._steps = self._steps, trainer.global_step
        due = self._passed(before, self._steps) | self._time_is_up(trainer)
        if due and not self._should_skip_saving_checkpoint(trainer):
            if self._validation_follows(trainer) or self._monitor_is_missing(trainer):
                self._after_validation = True
            else:
                self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what was put off until the validation was over."""
        if self._after_validation and not trainer.sanity_checking:
            self._after_validation = False
            self._save(trainer)
        else:
            super().on_validation_end(trainer, pl_module)

    def _passed(self, before: int, now: int) -> bool:
        n = self._every_n_train_steps
        return n >= 1 and now // n > before // n

    def _time_is_up(self, trainer: Trainer) -> bool:
        if self._train_time_interval is None:
            return False
        waited = time.monotonic() - (self._last_time_checked or 0.0)
        # Clocks differ, and all ranks must save together: rank 0 decides.
        late = waited >= self._train_time_interval.total_seconds()
        return bool(trainer.strategy.broadcast(late))

    def _validation_follows(self, trainer: Trainer) -> bool:
        loop = trainer.fit_loop
        assert loop._data_fetcher is not None
        return loop.epoch_loop._should_check_val_fx(loop._data_fetcher)

    def _monitor_is_missing(self, trainer: Trainer) -> bool:
        return self.monitor is not None and self.monitor not in trainer.callback_metrics

    def _save(self, trainer: Trainer) -> None:
        candidates = self._monitor_candidates(trainer)
        self._save_topk_checkpoint(trainer, candidates)
        self._save_last_checkpoint(trainer, candidates)
        self._last_time_checked = time.monotonic()

    def _monitor_candidates(self, trainer: Trainer) -> dict[str, Tensor]:
        # A module that logs "step" does so now and then: the logged one may be old.
        now = {
            "step": tensor(trainer.global_step),
            "epoch": tensor(trainer.current_epoch),
        }
        return super()._monitor_candidates(trainer) | now

    def _is_local(self) -> bool:
        return "file" in self._fs.protocol

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        for logger in trainer.loggers:
            logger.save()  # a kill then loses no value from before the checkpoint
        part = filepath + PART if self._is_local() else filepath
        trainer.save_checkpoint(part, self.save_weights_only)
        if trainer.is_global_zero and part != filepath:
            put_in_place(part, filepath)
        trainer.strategy.barrier("Checkpoint")
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.after_save_checkpoint(proxy(self))
