"""Ranks that no longer answer, or that read other data: told, and not waited for."""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from mmap import mmap
from threading import Event, Thread
from typing import Any, ClassVar

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]
from typing_extensions import override

from lightning_modules.core.distributed import RankError, is_distributed
from lightning_modules.core.validation import check_positive
from lightning_modules.data_contracts.contracts import Summarised

_DONE, _FAILED = "done", "failed"
_BEATS = 20  # in the time after which a rank is given up
_MISSES = 2  # looks that a busy machine may take
_SHORT = 2.0  # seconds for a word at the end
_TOLD = mmap(-1, 1)  # forked processes share it


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

    active: ClassVar["RankWatch | None"] = None

    def __init__(self, timeout: float = 60.0) -> None:
        check_positive(timeout=timeout)
        self.timeout = timeout
        _TOLD[0] = 0
        self._place, self._number, self._ended = "start", 0, Event()
        self._answers: dict[int, bytes] = {}
        self._silent: dict[int, int] = {}
        self._looks = 0

    # Start and end --------------------------------------------------------------------

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start to watch, and compare the data of the ranks.

        Raises:
            RankError: If another rank has read other data.
        """
        if not is_distributed() or "MASTER_PORT" not in os.environ:
            return
        self._rank, self._size = trainer.global_rank, trainer.world_size
        self._number, self._ended, self._answers = self._number + 1, Event(), {}
        self._silent = dict.fromkeys(range(self._size), 0)
        RankWatch.active = self
        for work in (self._talk, self._judge):
            Thread(target=work, args=(self._ended,), daemon=True).start()
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, Summarised):
            self._compare(f"{stage} data", data.summary())

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare how many batches the ranks have.

        SIGTERM ends a forked rank from now on: its parent sends it once another rank
        has failed, which Lightning would tell that one and wait.

        Raises:
            RankError: If another rank has more or fewer.
        """
        if RankWatch.active is self:
            if multiprocessing.parent_process() is not None:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            batches = f"{trainer.num_training_batches} training batches"
            self._compare("batches", batches)

    def _compare(self, what: str, mine: str) -> None:
        store = _client()
        what = f"{self._number}/{what}"
        store.set(f"{what}/{self._rank}", mine)
        for rank in range(self._size):
            other = store.get(f"{what}/{rank}").decode()
            if other != mine:
                low, high = sorted([(self._rank, mine), (rank, other)])
                raise RankError(
                    f"the ranks read different data: rank {low[0]} has '{low[1]}', "
                    f"rank {high[0]} has '{high[1]}'; give all of them the same files."
                )

    @override
    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """Say that this rank has ended as it should."""
        self._end(_DONE)

    def _end(self, how: str) -> None:
        """Let the others know that this rank says nothing more."""
        if RankWatch.active is self and not self._ended.is_set():
            self._ended.set()
            if not self.store_answers():
                return
            key = self._key(self._rank)
            _try(lambda: _client(_SHORT).set(key, how))

    def store_answers(self) -> bool:
        """Whether rank 0, which keeps the store, answered a short time ago."""
        return self._silent.get(0, 0) <= _MISSES

    def _key(self, rank: int) -> str:
        return f"rank_watch/{self._number}/{rank}"

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Name the rank that an error of the network comes from.

        Raises:
            RankError: In the place of that error.
        """
        if RankWatch.active is self and _of_the_network(exception):
            self._explain(exception)
        self._end(_FAILED)

    def _explain(self, exception: BaseException) -> None:
        for _ in range(_BEATS):  # one that was killed misses the next looks
            time.sleep(self.timeout / _BEATS)
            if lost := [rank for rank, n in self._silent.items() if n > _MISSES]:
                self._end(_FAILED)
                raise RankError(self._sentence(lost[0])) from exception
        self._end(_FAILED)
        places = (
            f"rank {rank} at {place}" for rank, place in sorted(self._places().items())
        )
        raise RankError(
            f"the ranks waited for each other too long ({', '.join(places)}): do all "
            "of them read the same files and run the same code?"
        ) from exception

    # Where the rank is ----------------------------------------------------------------

    @override
    def on_train_batch_start(self, *args: Any) -> None:
        """Remember the batch."""
        self._place = f"training batch {args[3]}"

    @override
    def on_validation_batch_start(self, *args: Any) -> None:
        """Remember the batch."""
        self._place = f"validation batch {args[3]}"

    @override
    def on_test_batch_start(self, *args: Any) -> None:
        """Remember the batch."""
        self._place = f"test batch {args[3]}"

    def _places(self) -> dict[int, str]:
        parts = {
            rank: one.decode().split(" ", 1) for rank, one in self._answers.items()
        }
        return {rank: words[-1] for rank, words in parts.items()}

    # Threads --------------------------------------------------------------------------

    def _talk(self, ended: Event) -> None:
        """Tell the others that this rank lives, and hear which of them do.

        A stopped rank 0 makes this thread wait for ever.
        """
        number, keys = 0, [self._key(rank) for rank in range(self._size)]
        with contextlib.suppress(DistError, RuntimeError):
            store = _client()
            while not ended.wait(self.timeout / _BEATS):
                number += 1
                about = f"{number}:{os.getpid()}:{socket.gethostname()} {self._place}"
                store.set(keys[self._rank], about)
                for rank, key in enumerate(keys):
                    if store.check([key]):
                        self._answers[rank] = store.get(key)
                self._looks += 1

    def _judge(self, ended: Event) -> None:
        """Count the looks at which a rank has said nothing new."""
        before: dict[int, bytes] = {}
        looks = -1
        while not ended.wait(self.timeout / _BEATS):
            now = dict(self._answers)
            heard = self._looks != looks  # else the store's rank does not answer
            for rank in range(self._size) if heard else (0,):
                same = (
                    rank in now
                    and now[rank] == before.get(rank)
                    and now[rank] != _DONE.encode()
                )
                missed = (same or not heard) and rank != self._rank
                self._silent[rank] = self._silent[rank] + 1 if missed else 0
            before, looks = now, self._looks
            lost = [rank for rank, n in self._silent.items() if n > _BEATS]
            if lost and now.get(lost[0]) != _DONE.encode():
                self._give_up(lost)

    def _give_up(self, lost: list[int]) -> None:
        """End this process, and stopped ones of this machine; the first one tells."""
        others = [rank for rank in self._silent if rank not in lost]
        if others[0] == self._rank:
            sys.__stderr__.write(f"error: {self._sentence(lost[0])}\n")  # type: ignore[union-attr]
            sys.__stderr__.flush()  # type: ignore[union-attr]
            _TOLD[0] = 1
        else:
            time.sleep(self.timeout / _BEATS)
        for rank in lost:
            _kill(self._answers.get(rank, b""))
        os._exit(1)

    def _sentence(self, rank: int) -> str:
        place = self._places().get(rank, "start")
        return (
            f"rank {rank} does not answer (last seen at {place}): it was stopped or "
            "killed, or its machine can't be reached; go on from the last checkpoint."
        )


def tell(sentence: str) -> bool:
    """Whether this rank is the first to tell a mistake; others stay silent."""
    if _TOLD[0]:
        return False
    told = [1]

    def ask() -> None:
        told[0] = _client(_SHORT).add(f"told/{sentence}", 1)

    if RankWatch.active is not None and RankWatch.active.store_answers():
        _try(ask)
    return told[0] == 1


def _try(action: Callable[[], object]) -> None:
    """Do something with the store, and go on if that is gone or does not answer."""

    def act() -> None:
        with contextlib.suppress(DistError, RuntimeError):
            action()

    thread = Thread(target=act, daemon=True)
    thread.start()
    thread.join(2 * _SHORT)


def _client(seconds: float = 1800.0) -> TCPStore:
    """A connection of one's own to the store by which the ranks have met."""
    return TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        wait_for_workers=False,
        timeout=timedelta(seconds=seconds),
    )


def _of_the_network(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in text or "Connection" in text)
    )


def _kill(about: bytes) -> None:
    """Kill a process of this machine and of our own group."""
    with contextlib.suppress(ValueError, OSError):
        _, pid, host = about.decode().split(" ")[0].split(":")
        if host == socket.gethostname() and os.getpgid(int(pid)) == os.getpgrp():
            os.kill(int(pid), signal.SIGKILL)
