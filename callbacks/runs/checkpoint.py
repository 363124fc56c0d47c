"""Checkpoints that count player updates and are whole or absent."""

import time
from pathlib import Path
from typing import Any
from weakref import proxy

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, tensor

from lightning_modules.core.files import put_in_place

PART = ".part"


class Checkpoint(ModelCheckpoint):
    """`ModelCheckpoint` for modules that step their optimizers themselves.

    Takes the arguments of `ModelCheckpoint`; what differs:

    * ``every_n_train_steps`` counts player updates and fires once per multiple, not
      again in the critic's batches that follow, nor after a resume.
    * ``train_time_interval`` works (Lightning ignores it under manual optimisation).
    * ``save_last`` saves whenever the interval has passed, and at the end of training.
      Only the ranking by ``monitor``, which is a metric of the validation, waits for
      the next validation, and ranks the very weights that were validated.
    * If a validation follows the batch, the checkpoint is written after it, so that
      a resumed run neither repeats nor skips the validation.
    * A model without optimizers, which is solved before the first batch, is saved too.
    * ``step`` in a file name is the number of player updates at that moment.
    * A checkpoint gets its name only when it is whole. Lightning writes into the
      system's temporary directory and moves the file, which copies, and can be
      killed half-way, when that is another file system.
    """

    _steps = 0
    _after_validation = False
    _ranking_due = False
    _validated = False  # since the last batch

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from here: a resumed run has saved its present step already."""
        super().on_train_start(trainer, pl_module)
        self._steps = trainer.global_step
        self._after_validation = self._validated = False
        if not trainer.optimizers and not self._last_global_step_saved:
            self._last_global_step_saved = -1  # solved, not stepped: step 0 is news
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
        self._validated = False
        before, self._steps = self._steps, trainer.global_step
        due = self._passed(before, self._steps) | self._time_is_up(trainer)
        if self._should_skip_saving_checkpoint(trainer):
            return
        self._ranking_due |= due
        if due or self._is_last_step(trainer):
            if self._validation_follows(trainer):
                self._after_validation = True
            else:
                self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Save what was put off until the validation was over."""
        if (
            trainer.fast_dev_run  # type: ignore[attr-defined]
            or trainer.sanity_checking
            or trainer.state.fn != TrainerFn.FITTING
        ):
            return
        self._validated = True
        if not self._should_save_on_train_epoch_end(trainer):
            self._ranking_due |= self._epoch_is_due(trainer)
        if self._after_validation or self._ranking_due:
            self._after_validation = False
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Save if a multiple of ``every_n_epochs`` was reached."""
        here = self._should_save_on_train_epoch_end(trainer)
        if here and self._epoch_is_due(trainer):
            self._ranking_due = True
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Save the last step, if training stopped between two intervals."""
        if not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def _passed(self, before: int, now: int) -> bool:
        n = self._every_n_train_steps
        return n >= 1 and now // n > before // n

    def _epoch_is_due(self, trainer: Trainer) -> bool:
        n = self._every_n_epochs
        due = n >= 1 and (trainer.current_epoch + 1) % n == 0
        return due and not self._should_skip_saving_checkpoint(trainer)

    def _is_last_step(self, trainer: Trainer) -> bool:
        # Saved only when training has ended, it could not be resumed in mid-epoch.
        by_step = self.save_last and self._every_n_epochs < 1
        return bool(by_step) and 0 <= trainer.max_steps <= trainer.global_step

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

    def _save(self, trainer: Trainer) -> None:
        candidates = self._monitor_candidates(trainer)
        if self._ranking_due and (self.monitor is None or self._validated):
            self._ranking_due = False
            self._save_topk_checkpoint(trainer, candidates)
        self._save_last_checkpoint(trainer, candidates)
        self._last_time_checked = time.monotonic()

    def _save_last_checkpoint(
        self, trainer: Trainer, monitor_candidates: dict[str, Tensor]
    ) -> None:
        chosen = self.save_last
        if chosen == "link" and self._last_global_step_saved != trainer.global_step:
            self.save_last = True  # there is no file of this step to link to
        super()._save_last_checkpoint(trainer, monitor_candidates)
        self.save_last = chosen

    def state_dict(self) -> dict[str, Any]:
        """Lightning's, and whether a ranking still waits for its validation."""
        return {**super().state_dict(), "ranking_due": self._ranking_due}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on waiting."""
        super().load_state_dict(state_dict)
        self._ranking_due = state_dict.get("ranking_due", False)

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
