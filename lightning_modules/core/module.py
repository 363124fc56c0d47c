"""What every module of the library keeps track of: arguments, noise, records."""

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, ClassVar, Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.mixins.hparams_mixin import HyperparametersMixin
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.parsing import collect_init_args
from torch import Tensor

from lightning_modules.core.distributed import data_ranks, rows_of_all_ranks
from lightning_modules.core.hparams import plain_arguments
from lightning_modules.core.random import RandomStream


class TrackedModule(LightningModule):
    """A LightningModule whose checkpoints load without pickled code and resume exactly.

    Attributes:
        monitor: The validation metric that means something for this method.
        mode: ``"min"`` or ``"max"``: which way ``monitor`` is better.
        noise: Random numbers of this rank for training, saved in the checkpoint.
        recording: True while the values of the running step will be logged.
    """

    monitor: ClassVar[str]
    mode: ClassVar[str] = "min"
    noise: RandomStream

    def __init__(self) -> None:
        super().__init__()
        self.recording = False
        self._log_every = 0
        self._records: dict[str, Tensor] = {}
        self._noise_states: Tensor | None = None
        self._steps_loaded = 0

    # Arguments ----------------------------------------------------------------------

    @classmethod
    def load_from_checkpoint(cls, *args: Any, **kwargs: Any) -> Self:
        """Lightning's, with ``weights_only=True``: nothing in the file is unpickled."""
        kwargs.setdefault("weights_only", True)
        with warnings.catch_warnings():
            # Lightning 2.6 calls jsonargparse by a name that is going away.
            for text in ("instantiate_classes", "JSONARGPARSE_DEPRECATION_WARNINGS"):
                warnings.filterwarnings("ignore", f"(?s).*{text}")
            return super().load_from_checkpoint(*args, **kwargs)

    def save_hyperparameters(
        self,
        *args: Any,
        ignore: Sequence[str] | str | None = None,
        frame: FrameType | None = None,
        logger: bool = True,
    ) -> None:
        """Like Lightning's, with networks and factories in plain form."""
        if frame is None:
            current = inspect.currentframe()
            assert current is not None
            frame = current.f_back
        assert frame is not None
        if not args and not _built_by_cli():
            found = collect_init_args(frame, [], classes=(HyperparametersMixin,))
            arguments = {k: v for part in found for k, v in part.items()}
            args = (plain_arguments(type(self), arguments),)
        super().save_hyperparameters(*args, ignore=ignore, frame=frame, logger=logger)

    def check_data(self, data: Any) -> None:
        """Refuse a data module that the networks don't fit.

        Raises:
            ValueError: Naming what does not fit.
        """

    # Records ------------------------------------------------------------------------

    def is_logged(self, step: int) -> bool:
        """Whether values of player update ``step`` (counted from 1) are logged."""
        every = self._log_every
        return every > 0 and step % every == 0

    def record(self, **values: Tensor) -> None:
        """Log ``train/<name>`` for this step, if it is one that is logged.

        Values stay on their device until the end of the step. Work that only a
        record needs belongs behind ``if self.recording``.
        """
        if self.recording:
            self._records.update({f"train/{k}": v.detach() for k, v in values.items()})

    def publish(self, values: Mapping[str, Tensor | float]) -> None:
        """Send values to all loggers at once, on the axis of player updates."""
        numbers = {key: float(value) for key, value in values.items()}
        for logger in self.loggers:
            logger.log_metrics(numbers, step=self.global_step)

    def publish_records(self) -> None:
        """Send what the step recorded to progress bar and loggers."""
        if self._records:
            self.log_dict(self._records, prog_bar=True, logger=False)
            self.publish(self._records)
            self._records = {}
        self.recording = False

    def log_evaluation(self, values: Mapping[str, Tensor | float]) -> None:
        """Log values of a validation or test run on the axis of player updates.

        Call it in an epoch-end hook, on all ranks, with values that agree.
        """
        # A test counts no steps of its own: the checkpoint knows how many were made.
        step = self.global_step or self._steps_loaded
        stamped = {**values, "step": float(step)}
        self.log_dict(stamped, on_epoch=True, sync_dist=True)

    # Updates ------------------------------------------------------------------------

    def learning(self) -> list[LightningOptimizer]:
        """The optimizers, in the order in which they were configured."""
        found = self.optimizers()
        several = found if isinstance(found, list) else [found]
        assert all(isinstance(one, LightningOptimizer) for one in several)
        return several

    def step_uncounted(self, optimizer: LightningOptimizer) -> None:
        """Update what the optimizer holds without counting into ``global_step``."""
        # LightningOptimizer.step() counts; the strategy's step does not.
        self.trainer.strategy.optimizer_step(optimizer.optimizer, lambda: None)

    def step_schedulers(self) -> None:
        """Move every learning-rate schedule on by one update."""
        schedulers = self.lr_schedulers() or []
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            scheduler.step()  # type: ignore[call-arg, unused-ignore]

    # Random numbers -----------------------------------------------------------------

    @property
    def starts_anew(self) -> bool:
        """Whether this fit goes on with no other: its weights may be a checkpoint's."""
        trainer: Any = self.trainer
        resumed = trainer.ckpt_path or trainer._checkpoint_connector._hpc_resume_path
        return not resumed and trainer.global_step == 0

    def on_fit_start(self) -> None:
        """Start this rank's noise, or go on where the checkpoint stopped."""
        if self.starts_anew:
            self._noise_states = None
        self._log_every = int(self.trainer.log_every_n_steps)  # type: ignore[attr-defined]
        if not torch.cuda.is_available():
            # Else every optimizer step looks for the driver's library, as Lightning
            # asks torch to, and takes half a millisecond not to find it.
            os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
        rank = data_ranks(self.trainer)["rank"]
        self.noise = RandomStream(torch.initial_seed(), rank, "train", self.device)
        if self._noise_states is None:
            return
        saved, ranks = self._noise_states, self.trainer.world_size
        if saved.shape != (ranks, len(self.noise.state)):
            raise ValueError(
                f"The checkpoint holds the random state of {len(saved)} process(es) on "
                f"another kind of device or number of processes than these {ranks}: "
                "resume on the same devices, or start a new run from its weights."
            )
        self.noise.state = saved[self.global_rank]
        self._noise_states = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Gather the noise state of every rank; called on all ranks."""
        if hasattr(self, "noise"):
            state = self.noise.state.to(self.device)
            checkpoint["noise"] = rows_of_all_ranks(state).cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the noise states until the fit starts."""
        self._noise_states = checkpoint.get("noise")
        self._steps_loaded = checkpoint.get("global_step", 0)


def _built_by_cli() -> bool:
    """Whether LightningCLI is building a module, and so knows its config."""
    from lightning.pytorch.core.mixins import hparams_mixin

    return hparams_mixin._given_hyperparameters.get() is not None
