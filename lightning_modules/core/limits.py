"""How much memory a file may take: its sizes are looked at before its contents."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

FREE = 2**30
"""Bytes that any file may become."""
RATIO = 500
"""How many times its size a larger one may become. Counts of which 1 in 100 is not 0
are packed to 1/200 of their float64, 3 in 1000 to 1/450, and zeros to 1/1000."""
GB = 1e9
_given: ContextVar[float | None] = ContextVar("gigabytes", default=None)


class TooLargeError(ValueError):
    """A file would take too much memory; without a name, says what follows it."""


@contextmanager
def limited_to(gigabytes: float | None) -> Iterator[None]:
    """Within it, a file may take so much memory; None takes the limits of `check_size`.

    >>> with limited_to(0.5):
    ...     check_size(10**9, name="data.path: x.npz")
    Traceback (most recent call last):
    ...
    lightning_modules.core.limits.TooLargeError: data.path: x.npz would take 1 GB of \
memory, more than data.max_gigabytes, 0.5; set data.max_gigabytes to 1 if that is right.
    """
    token = _given.set(gigabytes)
    try:
        yield
    finally:
        _given.reset(token)


def check_size(
    size: float,
    path: Path | None = None,
    name: str = "",
    free: float = FREE,
    ratio: float = RATIO,
) -> None:
    """Refuses what would take too much memory, before it does.

    It may be as large as the user says (`limited_to`, the key ``data.max_gigabytes``);
    by default as what any file may become, or 500 times the size of the file, but no
    larger than the memory that is free. So data that fills the machine is read from a
    file of a five-hundredth of its size, and a few megabytes of packed zeros are not.

    Args:
        size: Bytes in memory.
        path: The file that they come from; None is what is made.
        name: What the sentence begins with.
        free: Bytes that any file may become.
        ratio: How many times its size a larger one may become.

    Raises:
        TooLargeError: The size is beyond the limit.
    """
    given = _given.get()
    if size <= (free if given is None else GB * given):
        return
    if given is not None:
        raise _too_large(size, name, f"more than data.max_gigabytes, {given:g}")
    stored = math.inf if path is None else path.stat().st_size
    if size > ratio * stored:
        why = f"over {ratio} times the {stored:,} bytes of the file"
        raise _too_large(size, name, why)
    available = free_memory()
    if size > available:
        why = f"more than the {available / GB:.3g} GB that are free"
        raise _too_large(size, name, why)


def _too_large(size: float, name: str, why: str) -> TooLargeError:
    gigabytes = f"{size / GB:,.0f}" if size > 100 * GB else f"{size / GB:.3g}"
    enough = math.ceil(size / GB * 100) / 100
    return TooLargeError(
        f"{name} would take {gigabytes} GB of memory, {why}; set data.max_gigabytes to "
        f"{enough:.12g} if that is right.".lstrip()
    )


def free_memory() -> float:
    """Bytes that this process may still use, as the system says; else infinity."""
    return min(_of_machine(), _of_group())


def _of_machine() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        return math.inf
    return next(
        (1024.0 * int(line.split()[1]) for line in lines if "MemAvailable" in line),
        math.inf,
    )


def _of_group() -> float:
    """The limit of a container."""
    try:
        return float(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # another version of groups, or "max"
        return math.inf
