"""What the page says of ways that were timed in turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.timing import Summary, Way, alternate


@dataclass(frozen=True)
class Goal:
    """A bound of a ratio."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        return f"at most {self.most}" if self.most else f"at least {self.least}"

    def met(self, ratio: float) -> bool:
        """Whether a ratio keeps it."""
        return ratio <= self.most if self.most else ratio >= (self.least or 0)


@dataclass(frozen=True)
class Row:
    """One way of one case.

    Attributes:
        case: What is done.
        way: How.
        unit: What the times are of.
        goal: What the ratio should be, as a sentence, or nothing.
        met: Whether it is.
        summary: Times, memory and the ratio.
    """

    case: str
    way: str
    unit: str
    goal: str
    met: bool | None
    summary: Summary

    def record(self) -> dict[str, Any]:
        """As a row of the page.

        >>> summary = Summary(0.002, 0.001, 2**20, 1.5, (1.4, 1.6))
        >>> Row("sum", "by hand", "call", "", None, summary).record()["wall time"]
        '2 ms'
        """
        summary = self.summary
        low, high = summary.spread
        verdict = {None: "", True: ": met", False: ": **missed**"}[self.met]
        return {
            "case": self.case,
            "way": self.way,
            "per": self.unit,
            "wall time": seconds(summary.wall),
            "user CPU time": seconds(summary.cpu),
            "peak memory": f"{summary.memory / 2**20:.0f} MiB",
            "ratio": f"{summary.ratio:.2f} ({low:.2f} to {high:.2f})",
            "goal": f"{self.goal}{verdict}",
        }


def seconds(time: float) -> str:
    """A time with three digits and the unit that suits it.

    >>> seconds(0.0123456), seconds(12.3456), seconds(4.56e-6)
    ('12.3 ms', '12.3 s', '4.56 µs')
    """
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if time >= size:
            return f"{time / size:.3g} {unit}"
    return f"{time / 1e-9:.3g} ns"


def rows(
    case: str,
    unit: str,
    ways: Mapping[str, Way],
    rounds: int,
    goals: Mapping[str, Goal] | None = None,
) -> list[Row]:
    """Measure the ways of a case in turn; the first is what the others are beside."""
    return compared(case, unit, alternate(ways, rounds, case), goals)


def compared(
    case: str,
    unit: str,
    found: Mapping[str, Summary],
    goals: Mapping[str, Goal] | None = None,
) -> list[Row]:
    """The rows of a case whose ways were measured."""
    kept = []
    for way, summary in found.items():
        goal = (goals or {}).get(way)
        met = goal.met(summary.ratio) if goal else None
        kept.append(Row(case, way, unit, str(goal or ""), met, summary))
    return kept


def records(found: list[Row]) -> list[dict[str, Any]]:
    """Of several rows."""
    return [row.record() for row in found]
