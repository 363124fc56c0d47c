"""Rows of docs/performance.md: variants that were timed in turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.timing import Summary, Variant, alternate

Row = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A bound of a ratio."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        return f"at most {self.most}" if self.most else f"at least {self.least}"

    def met(self, ratio: float) -> bool:
        """Whether a ratio is within the bound."""
        return ratio <= self.most if self.most else ratio >= (self.least or 0)


def verdict(goal: str, met: bool) -> str:
    """A goal, and whether it is met."""
    return f"{goal}: {'met' if met else '**missed**'}"


def compare(
    case: str,
    unit: str,
    variants: Mapping[str, Variant],
    rounds: int,
    goals: Mapping[str, Goal] | None = None,
) -> list[Row]:
    """Time the variants of a case in turn; the others are compared with the first."""
    return rows(case, unit, alternate(variants, rounds, case), goals)


def rows(
    case: str,
    unit: str,
    summaries: Mapping[str, Summary],
    goals: Mapping[str, Goal] | None = None,
) -> list[Row]:
    """The rows of a case whose variants were timed.

    Args:
        case: What is done.
        unit: What the times are of.
        summaries: Times, memory and ratio of each variant.
        goals: What the ratio of a variant should be.
    """
    rows = []
    for variant, summary in summaries.items():
        goal = (goals or {}).get(variant)
        text = verdict(str(goal), goal.met(summary.ratio)) if goal else ""
        rows.append(row(case, variant, unit, summary, text))
    return rows


def row(case: str, variant: str, unit: str, summary: Summary, goal: str = "") -> Row:
    """One variant of one case.

    >>> summary = Summary(0.002, 0.001, 2**20, 1.5, (1.4, 1.6))
    >>> row("sum", "by hand", "call", summary)["wall time"]
    '2 ms'
    """
    low, high = summary.spread
    return {
        "case": case,
        "variant": variant,
        "per": unit,
        "wall time": seconds(summary.wall),
        "user CPU time": seconds(summary.cpu),
        "peak memory": f"{summary.memory / 2**20:.0f} MiB",
        "ratio": f"{summary.ratio:.2f} ({low:.2f} to {high:.2f})",
        "goal": goal,
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
