"""The store by which the ranks of a run have met, and their processes."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from threading import Thread

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

SHORT = 2.0  # seconds for a word at the end


def attempt(action: Callable[[], object]) -> None:
    """Do something with the store, and go on if that is gone or does not answer."""

    def act() -> None:
        with contextlib.suppress(DistError, RuntimeError):
            action()

    thread = Thread(target=act, daemon=True)
    thread.start()
    thread.join(2 * SHORT)


def client(seconds: float = 1800.0) -> TCPStore:
    """A connection of one's own to the store by which the ranks have met."""
    return TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        wait_for_workers=False,
        timeout=timedelta(seconds=seconds),
    )


def kill(about: bytes) -> None:
    """Kill a process of this machine and of our own group."""
    with contextlib.suppress(ValueError, OSError):
        _, pid, host = about.decode().split(" ")[0].split(":")
        if host == socket.gethostname() and os.getpgid(int(pid)) == os.getpgrp():
            os.kill(int(pid), signal.SIGKILL)
