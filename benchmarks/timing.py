"""Interleaved timing of variants that do the same."""

import ctypes
import gc
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

_MEMORY = Path("/proc/self")


@dataclass
class Spent:
    """Cost of one round.

    Attributes:
        wall: Seconds.
        cpu: Seconds of user time, of all threads of this process.
        memory: Bytes at the highest point above what was held before; 0 where the
            system doesn't say.
        units: How many steps, images or the like were done.
    """

    wall: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    units: int = 1


@contextmanager
def spending(spent: Spent) -> Iterator[None]:
    """Adds what the block costs."""
    before = _trimmed()
    if before:
        (_MEMORY / "clear_refs").write_text("5")  # the high-water mark begins again
    cpu, wall = _user_time(), time.perf_counter()
    yield
    spent.wall += time.perf_counter() - wall
    spent.cpu += _user_time() - cpu
    spent.memory = max(spent.memory, _held("VmHWM") - before)


def timed(call: Callable[[], object], calls: int = 1) -> Spent:
    """Cost of a function that is called several times."""
    spent = Spent(units=calls)
    with spending(spent):
        for _ in range(calls):
            call()
    return spent


def _trimmed() -> int:
    """Bytes held once freed memory is given back, so that rounds don't share it."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return _held("VmRSS")


def _user_time() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def _held(kind: str) -> int:
    status = _MEMORY / "status"
    if not status.exists():
        return 0
    (line,) = (x for x in status.read_text().splitlines() if x.startswith(kind))
    return int(line.split()[1]) * 1024


Variant = Callable[[], Spent]
"""Does one round, and says what the part that counts has cost."""


@dataclass(frozen=True)
class Summary:
    """Several rounds of one variant, beside those of another.

    Attributes:
        wall: Median seconds of a unit.
        cpu: Median seconds of user time of a unit.
        memory: Largest number of bytes above what was held before.
        ratio: Median over the rounds of its wall time by that of the first variant.
        spread: The quartiles of these ratios.
    """

    wall: float
    cpu: float
    memory: int
    ratio: float
    spread: tuple[float, float]


def alternate(
    variants: Mapping[str, Variant], rounds: int, label: str = ""
) -> dict[str, Summary]:
    """Time several variants in turn, each round in the other direction.

    A first round warms up and does not count. Ratios are computed within a round, so
    that what slows the machine for a while slows all variants alike.

    Args:
        variants: What is timed; the first is what the others are compared with.
        rounds: How many rounds count, at least 2.
        label: Shown beside the progress bar.

    Raises:
        ValueError: If there are fewer than two rounds, which have no quartiles.
    """
    if rounds < 2:
        raise ValueError(f"rounds must be at least 2, got {rounds}.")
    spent: dict[str, list[Spent]] = {name: [] for name in variants}
    for i in track(range(rounds + 1), label, transient=True):
        order = list(variants) if i % 2 else list(variants)[::-1]
        for name in order:
            spent[name].append(variants[name]())
    return summaries(spent)


def summaries(spent: Mapping[str, list[Spent]]) -> dict[str, Summary]:
    """Of rounds of several variants; the first round warms up and does not count."""
    first = spent[next(iter(spent))]
    return {name: _summary(own[1:], first[1:]) for name, own in spent.items()}


def _summary(spent: list[Spent], first: list[Spent]) -> Summary:
    ratios = [
        (one.wall / one.units) / (other.wall / other.units)
        for one, other in zip(spent, first, strict=True)
    ]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Summary(
        wall=statistics.median(s.wall / s.units for s in spent),
        cpu=statistics.median(s.cpu / s.units for s in spent),
        memory=max(s.memory for s in spent),
        ratio=middle,
        spread=(low, high),
    )
