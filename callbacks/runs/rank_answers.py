"""What the ranks of a run say of themselves, through the store by which they met."""

import contextlib
import os
import socket
import sys
import time
from mmap import mmap
from threading import Event, Thread
from typing import ClassVar

from torch.distributed import DistError

from callbacks.runs.rank_store import SHORT, attempt, client, kill

DONE, FAILED = "done", "failed"
_BEATS = 20  # in the time after which a rank is given up
_MISSES = 2  # looks that a busy machine may take
_TOLD = mmap(-1, 1)  # forked processes share it


class RankAnswers:
    """The life of every rank, as this one hears of it, and what it says of its own.

    One thread talks to the store, another counts what is not heard.

    Args:
        timeout: Seconds without an answer after which a rank is given up.

    Attributes:
        place: Where this rank is, as the others are told.
    """

    active: ClassVar["RankAnswers | None"] = None

    def __init__(self, timeout: float) -> None:
        self.timeout, self.place = timeout, "start"
        _TOLD[0] = 0
        self._number, self._ended = 0, Event()
        self._answers: dict[int, bytes] = {}
        self._silent: dict[int, int] = {}
        self._looks = 0

    def start(self, rank: int, size: int) -> None:
        """Start to talk and to count, as a rank of so many."""
        self._rank, self._size = rank, size
        self._number, self._ended, self._answers = self._number + 1, Event(), {}
        self._silent = dict.fromkeys(range(size), 0)
        RankAnswers.active = self
        # before any thread's first beat, or a rank stopped by then would not be missed
        client().set(self._key(rank), self._about(0))
        for work in (self._talk, self._judge):
            Thread(target=work, args=(self._ended,), daemon=True).start()

    def end(self, how: str) -> None:
        """Let the others know that this rank says nothing more."""
        if RankAnswers.active is self and not self._ended.is_set():
            self._ended.set()
            if self.store_answers():
                key = self._key(self._rank)
                attempt(lambda: client(SHORT).set(key, how))

    def compare(self, what: str, mine: str) -> tuple[int, str] | None:
        """The first rank that says something else of itself, and what; or None."""
        store = client()
        what = f"{self._number}/{what}"
        store.set(f"{what}/{self._rank}", mine)
        for rank in range(self._size):
            other = store.get(f"{what}/{rank}").decode()
            if other != mine:
                return rank, other
        return None

    def store_answers(self) -> bool:
        """Whether rank 0, which keeps the store, answered a short time ago."""
        return self._silent.get(0, 0) <= _MISSES

    def wait_for_lost(self) -> int | None:
        """The first rank that misses looks within the time of the watch, or None."""
        for _ in range(_BEATS):  # one that was killed misses the next looks
            time.sleep(self.timeout / _BEATS)
            if lost := [rank for rank, n in self._silent.items() if n > _MISSES]:
                return lost[0]
        return None

    def places(self) -> dict[int, str]:
        """Where each rank was last."""
        parts = {
            rank: one.decode().split(" ", 1) for rank, one in self._answers.items()
        }
        return {rank: words[-1] for rank, words in parts.items()}

    def sentence(self, rank: int) -> str:
        """What a user is told of a rank that is lost."""
        place = self.places().get(rank, "start")
        return (
            f"rank {rank} does not answer (last seen at {place}): it was stopped or "
            "killed, or its machine can't be reached; go on from the last checkpoint."
        )

    def _key(self, rank: int) -> str:
        return f"rank_watch/{self._number}/{rank}"

    def _about(self, number: int) -> str:
        return f"{number}:{os.getpid()}:{socket.gethostname()} {self.place}"

    def _talk(self, ended: Event) -> None:
        """Tell the others that this rank lives, and hear which of them do.

        A stopped rank 0 makes this thread wait for ever.
        """
        number, keys = 0, [self._key(rank) for rank in range(self._size)]
        with contextlib.suppress(DistError, RuntimeError):
            store = client()
            while not ended.wait(self.timeout / _BEATS):
                number += 1
                store.set(keys[self._rank], self._about(number))
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
            self._count(now, before, heard)
            before, looks = now, self._looks
            lost = [rank for rank, n in self._silent.items() if n > _BEATS]
            if lost and now.get(lost[0]) != DONE.encode():
                self._give_up(lost)

    def _count(
        self, now: dict[int, bytes], before: dict[int, bytes], heard: bool
    ) -> None:
        for rank in range(self._size) if heard else (0,):
            silent = rank in now and now[rank] == before.get(rank)
            missed = not heard or (silent and now[rank] != DONE.encode())
            more = missed and rank != self._rank
            self._silent[rank] = self._silent[rank] + 1 if more else 0

    def _give_up(self, lost: list[int]) -> None:
        """End this process, and stopped ones of this machine; the first one tells."""
        others = [rank for rank in self._silent if rank not in lost]
        if others[0] == self._rank:
            sys.__stderr__.write(f"error: {self.sentence(lost[0])}\n")  # type: ignore[union-attr]
            sys.__stderr__.flush()  # type: ignore[union-attr]
            _TOLD[0] = 1
        else:
            time.sleep(self.timeout / _BEATS)
        for rank in lost:
            kill(self._answers.get(rank, b""))
        os._exit(1)


def tell(sentence: str) -> bool:
    """Whether this rank is the first to tell a mistake; others stay silent."""
    if _TOLD[0]:
        return False
    told = [1]

    def ask() -> None:
        told[0] = client(SHORT).add(f"told/{sentence}", 1)

    if RankAnswers.active is not None and RankAnswers.active.store_answers():
        attempt(ask)
    return told[0] == 1
