"""Ranks that no longer answer, or that read other data: told, and not waited for."""

import multiprocessing
import os
import signal
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.distributed import DistError
from typing_extensions import override

from callbacks.runs.rank_answers import DONE, FAILED, RankAnswers
from lightning_modules.core.distributed import RankError, is_distributed
from lightning_modules.core.validation import check_positive
from lightning_modules.data_contracts.contracts import Summarised


class RankWatch(Callback):
    """Ends a run of several processes, one of which was stopped or killed.

    A thread of each process says that it lives, through the store at ``MASTER_ADDR``.
    A rank that has said nothing for ``timeout`` seconds is named on stderr, and every
    process ends with exit code 1; processes of the same machine that are stopped are
    killed. What counts is whether a process runs at all, not how far it is: reading
    data and long validations are no reason to end. The command line has this callback.

    Ranks that read other data than rank 0 are told when the run starts. Ranks that
    wait for each other for another reason are ended by the strategy's own ``timeout``
    (`DDPStrategy`, half an hour), and the sentence says where each of them is.

    Args:
        timeout: Seconds without an answer after which a rank is given up.
    """

    def __init__(self, timeout: float = 60.0) -> None:
        check_positive(timeout=timeout)
        self.timeout = timeout
        self._answers = RankAnswers(timeout)

    # Start and end --------------------------------------------------------------------

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start to watch, and compare the data of the ranks.

        Raises:
            RankError: If another rank has read other data.
        """
        if not is_distributed() or "MASTER_PORT" not in os.environ:
            return
        self._answers.start(trainer.global_rank, trainer.world_size)
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, Summarised):
            self._compare(trainer, f"{stage} data", data.summary())

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare how many batches the ranks have.

        SIGTERM ends a forked rank from now on: its parent sends it once another rank
        has failed, which Lightning would tell that one and wait.

        Raises:
            RankError: If another rank has more or fewer.
        """
        if RankAnswers.active is self._answers:
            if multiprocessing.parent_process() is not None:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            batches = f"{trainer.num_training_batches} training batches"
            self._compare(trainer, "batches", batches)

    def _compare(self, trainer: Trainer, what: str, mine: str) -> None:
        if other := self._answers.compare(what, mine):
            low, high = sorted([(trainer.global_rank, mine), other])
            raise RankError(
                f"the ranks read different data: rank {low[0]} has '{low[1]}', "
                f"rank {high[0]} has '{high[1]}'; give all of them the same files."
            )

    @override
    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Say that this rank has ended as it should."""
        self._answers.end(DONE)

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Name the rank that an error of the network comes from.

        Raises:
            RankError: In the place of that error.
        """
        if RankAnswers.active is self._answers and _of_the_network(exception):
            self._explain(exception)
        self._answers.end(FAILED)

    def _explain(self, exception: BaseException) -> None:
        lost = self._answers.wait_for_lost()
        self._answers.end(FAILED)
        if lost is not None:
            raise RankError(self._answers.sentence(lost)) from exception
        places = sorted(self._answers.places().items())
        listed = ", ".join(f"rank {rank} at {place}" for rank, place in places)
        raise RankError(
            f"the ranks waited for each other too long ({listed}): do all of "
            "them read the same files and run the same code?"
        ) from exception

    # Where the rank is ----------------------------------------------------------------

    @override
    def on_train_batch_start(self, *args: Any) -> None:
        """Remember the batch."""
        self._answers.place = f"training batch {args[3]}"

    @override
    def on_validation_batch_start(self, *args: Any) -> None:
        """Remember the batch."""
        self._answers.place = f"validation batch {args[3]}"

    @override
    def on_test_batch_start(self, *args: Any) -> None:
        """Remember the batch."""
        self._answers.place = f"test batch {args[3]}"


def _of_the_network(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in text or "Connection" in text)
    )
