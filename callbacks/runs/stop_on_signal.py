"""A run that a signal ends at a batch's end, saved."""

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

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnSignal(Callback):
    """Lets Ctrl-C and SIGTERM end a fit after the present batch.

    The batch, and a validation that runs or is due, are finished; `Checkpoint` saves
    ``last.ckpt`` (with ``save_last``), and the fit ends with Lightning's
    ``SIGTERMException``. A second signal ends the process at once. The command line has
    this callback, and exits with 130 or 143, as a shell does.

    With several processes the signals do what Lightning does with them, and nothing is
    saved: each process gets a signal at another batch. SIGTERM in a SLURM job is left
    to Lightning, too.

    Attributes:
        received: Number of the signal that ended the fit, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over; only a main thread may."""
        self.received = None
        in_main_thread = threading.current_thread() is threading.main_thread()
        if trainer.world_size > 1 or not in_main_thread:
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
        if self.received is not None and not validation_follows(trainer):
            request_stop(trainer)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask for the end after the validation."""
        if self.received is not None:
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
