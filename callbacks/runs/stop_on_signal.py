"""A run that a signal ends at a batch's end, saved."""

import multiprocessing
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from lightning_modules.core.lightning_internals import (
    request_stop,
    validation_follows,
)
from lightning_modules.core.module import AlternatingModule

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnSignal(Callback):
    """Lets Ctrl-C and SIGTERM end a fit after the present batch.

    The batch, and a validation that runs or is due, are finished; `Checkpoint` saves
    ``last.ckpt`` (with ``save_last``), and the fit ends with Lightning's
    ``SIGTERMException``. A second signal ends the process at once. The command line has
    this callback, and exits with 130 or 143, as a shell does.

    Several processes end together, up to three batches after one of them has got a
    signal. Where they are forked (``ddp_fork``, ``ddp_notebook``), or the method is
    none of this library's, the signals do what Lightning does with them, and nothing is
    saved. SIGTERM in a SLURM job is left to Lightning, too.

    Attributes:
        received: Number of the signal that ended the fit, or None.
        ends: Whether the fit ends with this batch, in all processes.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.ends = False
        self._before: dict[int, Any] = {}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over; only a main thread may."""
        self.received, self.ends = None, False
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or not (trainer.world_size == 1 or _agrees(pl_module)):
            return
        for number in SIGNALS:
            # a cluster that queues the job again has its own meaning of SIGTERM
            if number == signal.SIGINT or "SLURM_JOB_ID" not in os.environ:
                self._before[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.received = number
        # print() could be what the signal interrupted
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _MESSAGE)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        """Ask for the end, unless a validation comes first."""
        self.ends = self._before != {} and self._all_end(trainer, pl_module)
        if self.ends and not validation_follows(trainer):
            request_stop(trainer)

    def _all_end(self, trainer: Trainer, pl_module: LightningModule) -> bool:
        """Whether it is time; the same in all processes."""
        if trainer.world_size == 1:
            return self.received is not None
        assert isinstance(pl_module, AlternatingModule)
        pl_module.divergence.wants_end = self.received is not None
        return pl_module.divergence.all_end

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask for the end after the validation."""
        alone = trainer.world_size == 1 and self.received is not None
        if self.ends or alone:
            request_stop(trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        self._give_back()

    @override
    def on_exception(self, *_: Any) -> None:
        """Give the signals back."""
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def _agrees(module: LightningModule) -> bool:
    """Whether several processes can agree at which batch they end.

    A parent sends SIGTERM to those that it has forked once one of them has failed.
    """
    ours = isinstance(module, AlternatingModule) and module.alternates
    return ours and multiprocessing.parent_process() is None


def stopping_signal(trainer: Trainer, error: SystemExit) -> int | None:
    """Number of the signal that an exit of the trainer comes from, or None."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StopOnSignal) and callback.received is not None:
            return callback.received
    if isinstance(error, SIGTERMException):
        return signal.SIGTERM
    # Lightning exits with 1 after Ctrl-C
    return signal.SIGINT if isinstance(error.__context__, KeyboardInterrupt) else None


_MESSAGE = b"\nstopping after this batch; once more ends at once\n"
