"""Checkpoints at exact steps, whole or absent."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import proxy

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, tensor
from typing_extensions import override

from callbacks.runs.stop_on_signal import StopOnSignal
from lightning_modules.core.files import (
    put_in_place,
    remove_parts,
    write_whole,
)
from lightning_modules.core.lightning_internals import (
    OpenCheckpoint,
    is_fitting,
    validation_follows,
)

PART = ".part"
PREVIOUS = "-previous"


class BesideTarget(TorchCheckpointIO):
    """Writes a local checkpoint beside its place, and nothing elsewhere.

    Lightning's own needs room for it in the system's temporary directory, where a kill
    leaves it.
    """

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        if "://" in str(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
        else:
            write_whole(path, lambda file: torch.save(checkpoint, file))


class Checkpoint(OpenCheckpoint):
    """`ModelCheckpoint` for modules that step their optimizers themselves.

    Takes the arguments of `ModelCheckpoint`; what differs:

    * ``every_n_train_steps`` counts updates of the generator or encoder and fires once
      per multiple, not again in the critic's batches that follow, nor after a resume.
    * ``train_time_interval`` works (Lightning ignores it under manual optimisation).
    * ``save_last`` saves whenever the interval has passed, and at the end of training.
      Only the ranking by ``monitor``, which is a metric of the validation, waits for
      the next validation, and ranks the very weights that were validated.
    * If a validation follows the batch, the checkpoint is written after it, so that
      a resumed run neither repeats nor skips the validation.
    * A model without optimizers, which is solved before the first batch, is saved too.
    * ``step`` in a file name is the global step at that moment.
    * A checkpoint gets its name only when it is whole. Lightning writes into the
      system's temporary directory and moves the file, which copies, and can be
      killed half-way, when that is another file system, and stays there.
    * The checkpoint before the last stays as ``last-previous.ckpt``, so that a damaged
      file costs one interval.
    * A validation whose ``monitor`` is NaN is never among the best.
    * The best checkpoints are remembered where a run goes on in another directory:
      they are found beside the checkpoint, and copied.
    """

    _steps = 0
    _source: Path | None = None  # where the checkpoint lies that is loaded
    _goes_on = False  # training does, from that checkpoint
    _after_validation = False
    _ranking_due = False
    _validated = False  # since the last batch

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have checkpoints written beside their places."""
        super().setup(trainer, pl_module, stage)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = BesideTarget()

    @override
    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remember where the checkpoint lies: `load_state_dict` comes next."""
        path = Path(trainer.ckpt_path or "")
        self._source = path.parent if self.is_local and path.is_file() else None
        self._goes_on = is_fitting(trainer)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from here: a resumed run has saved its present step already."""
        super().on_train_start(trainer, pl_module)
        if trainer.is_global_zero and self._source is not None:
            for path in map(Path, {*self.best_k_models, self.best_model_path} - {""}):
                _copy(self._source / path.name, path)
        self._steps = trainer.global_step
        if self._goes_on and self._source == Path(self.dirpath or ""):
            self.last_step = self._steps
        self._after_validation = self._validated = False
        if not trainer.optimizers and not self.last_step:
            self.last_step = -1  # solved, not stepped: step 0 is news
        if trainer.is_global_zero and self.is_local and self.dirpath:
            remove_parts(self.dirpath)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        """Save if a multiple of ``every_n_train_steps`` was reached or time is up."""
        self._validated = False
        before, self._steps = self._steps, trainer.global_step
        due = self._passed(before, self._steps) | self._time_is_up(trainer)
        if not self.may_save(trainer):
            return
        self._ranking_due |= due
        if due or self._is_last_step(trainer) or _is_stopped(trainer):
            if validation_follows(trainer):
                self._after_validation = True
                self._ranking_due |= self.monitor is not None  # also the last step
            else:
                self._save(trainer)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what was put off until the validation was over."""
        quick = trainer.fast_dev_run or trainer.sanity_checking  # type: ignore[attr-defined]
        if quick or not is_fitting(trainer):
            return
        self._validated = True
        if not self.saves_before_validation(trainer):
            self._ranking_due |= self._epoch_is_due(trainer)
        stops = _is_stopped(trainer) and self.may_save(trainer)
        if self._after_validation or self._ranking_due or stops:
            self._after_validation = False
            self._save(trainer)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if a multiple of ``every_n_epochs`` was reached."""
        if self.saves_before_validation(trainer) and self._epoch_is_due(trainer):
            self._ranking_due = True
            self._save(trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the last step, if training stopped between two intervals."""
        if self.may_save(trainer):
            self.save_newest(trainer)

    def _passed(self, before: int, now: int) -> bool:
        n = self.update_interval
        return n >= 1 and now // n > before // n

    def _epoch_is_due(self, trainer: Trainer) -> bool:
        n = self.epoch_interval
        due = n >= 1 and (trainer.current_epoch + 1) % n == 0
        return due and self.may_save(trainer)

    def _is_last_step(self, trainer: Trainer) -> bool:
        # Saved only when training has ended, it could not be resumed in mid-epoch.
        by_step = self.save_last and self.epoch_interval < 1
        return bool(by_step) and 0 <= trainer.max_steps <= trainer.global_step

    def _time_is_up(self, trainer: Trainer) -> bool:
        if self.seconds is None:
            return False
        # Clocks differ, and all ranks must save together: rank 0 decides.
        late = time.monotonic() - self.last_time >= self.seconds
        return bool(trainer.strategy.broadcast(late))

    def _save(self, trainer: Trainer) -> None:
        if self._ranking_due and (self.monitor is None or self._validated):
            self._ranking_due = False
            self.save_ranked(trainer)
        self.save_newest(trainer)
        self.last_time = time.monotonic()

    @override
    def save_ranked(self, trainer: Trainer) -> None:
        """Lightning's, but what is not a number is never among the best."""
        value = self.name_values(trainer).get(self.monitor or "")
        if value is None or not value.isnan():
            super().save_ranked(trainer)

    @override
    def save_newest(self, trainer: Trainer) -> None:
        """Lightning's, but writes a file where it would link to an older step."""
        save_last = self.save_last
        if save_last == "link" and self.last_step != trainer.global_step:
            self.save_last = True
        super().save_newest(trainer)
        self.save_last = save_last

    @override
    def state_dict(self) -> dict[str, Any]:
        """Lightning's, and whether a ranking still waits for its validation."""
        return {**super().state_dict(), "ranking_due": self._ranking_due}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Lightning's, with the paths that the best checkpoints have now."""
        if self._source is not None and self.dirpath is not None:
            state_dict = self._relocated(state_dict, self._source)
        super().load_state_dict(state_dict)
        self._ranking_due = state_dict.get("ranking_due", False)

    def _relocated(self, state: Mapping[str, Any], source: Path) -> dict[str, Any]:
        """The state as if it had been saved here; only what lies at the source counts.

        Lightning forgets the best checkpoints where ``dirpath`` is another, as it is in
        a folder that was moved, and remembers files that are gone.
        """
        best, here = state["best_model_path"], Path(str(self.dirpath))
        if best and not (source / Path(best).name).is_file():
            score = state["best_model_score"]
            if self._goes_on and score is not None:
                rank_zero_warn(
                    f"{Path(best).name}, the best checkpoint until now ({self.monitor} "
                    f"{float(score):.6g}), is not in '{source}': the best of this run "
                    "is looked for from here on."
                )
            best = ""
        kept = {
            str(here / Path(path).name): score
            for path, score in state["best_k_models"].items()
            if (source / Path(path).name).is_file()
        }
        ends = (min, max) if self.mode == "max" else (max, min)
        kth, first = (end(kept, key=kept.__getitem__, default="") for end in ends)
        if kept:
            best = first
        last = state.get("last_model_path", "")
        return {
            **state,
            "dirpath": self.dirpath,
            "best_k_models": kept,
            "best_model_path": str(here / Path(best).name) if best else "",
            "best_model_score": kept.get(best) if kept else None,
            "kth_best_model_path": kth,
            "kth_value": kept.get(kth, self.kth_value),
            "last_model_path": str(here / Path(last).name) if last else "",
        }

    @override
    def name_values(self, trainer: Trainer) -> dict[str, Tensor]:
        """Lightning's, with the present step."""
        # A module that logs "step" does so now and then: the logged one may be old.
        step, epoch = tensor(trainer.global_step), tensor(trainer.current_epoch)
        return super().name_values(trainer) | {"step": step, "epoch": epoch}

    @override
    def write(self, trainer: Trainer, filepath: str) -> None:
        """Write the file beside its place, and move it when it is whole."""
        for logger in trainer.loggers:
            logger.save()  # a kill then loses no value from before the checkpoint
        part = filepath + PART if self.is_local else filepath
        trainer.save_checkpoint(part, self.save_weights_only)
        if trainer.is_global_zero and part != filepath:
            if filepath == self.last_model_path:
                keep_previous(Path(filepath))
            put_in_place(part, filepath)
        trainer.strategy.barrier("Checkpoint")
        self.note_saved(trainer, filepath)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.after_save_checkpoint(proxy(self))


def _is_stopped(trainer: Trainer) -> bool:
    """Whether a signal ends the run, in all processes with this batch."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    together = any(isinstance(one, StopOnSignal) and one.ends for one in callbacks)
    return trainer.received_sigterm and (trainer.world_size == 1 or together)


def keep_previous(path: Path) -> None:
    """Give ``last.ckpt``, which is about to be replaced, another name beside its own.

    Both names exist at every moment, where the file system has hard links.
    """
    if not path.is_file() or path.is_symlink():
        return
    previous = path.with_stem(path.stem + PREVIOUS)
    link = previous.with_name(previous.name + PART)
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:
        path.replace(previous)
    else:
        link.replace(previous)
        # which does nothing where a kill left both as names of one file already
        link.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + PART)
        shutil.copyfile(source, part)
        put_in_place(part, target)
