"""What a study is: rows that it measures, claims and a figure made from the rows."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

Row = dict[str, float | str]


@dataclass(frozen=True)
class Claim:
    """A paper's statement as a number, or a number to compare one with.

    Attributes:
        statement: What the number is.
        value: The number.
        low: Least value that bears the statement out.
        high: Greatest such value.
    """

    statement: str
    value: float
    low: float = -math.inf
    high: float = math.inf

    @property
    def holds(self) -> bool:
        """Whether the statement was borne out."""
        return self.low <= self.value <= self.high

    @property
    def goal(self) -> str:
        """The bounds, for a reader."""
        if self.low == -math.inf and self.high == math.inf:
            return "for comparison"
        if self.low == -math.inf:
            return f"at most {self.high:g}"
        if self.high == math.inf:
            return f"at least {self.low:g}"
        return f"{self.low:g} to {self.high:g}"

    @property
    def verdict(self) -> str:
        """Whether it holds, for a reader; empty for a number without bounds."""
        if self.goal == "for comparison":
            return ""
        return "yes" if self.holds else "**no**"


@dataclass(frozen=True)
class Study:
    """One experiment of the note or its papers.

    Attributes:
        name: Name of its files and of its config.
        title: What it shows, one line, with its source.
        settings: Dataclass of its settings, with defaults.
        measure: Makes the rows from settings; the part that takes time.
        claims: Makes the claims from rows.
        draw: Makes the figure from rows.
    """

    name: str
    title: str
    settings: type
    measure: Callable[[Any], list[Row]]
    claims: Callable[[Sequence[Row]], list[Claim]]
    draw: Callable[[Sequence[Row]], Figure]


def to_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV; a row lacks a column where its cell is empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({k: _text(v) for k, v in row.items()})
    return text.getvalue()


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def from_csv(text: str) -> list[Row]:
    r"""The rows again, numbers as numbers; lines that start with ``#`` are skipped.

    >>> from_csv("# note\na,b\n1,x\n,y\n")
    [{'a': 1.0, 'b': 'x'}, {'b': 'y'}]
    """
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return [
        {k: _value(v) for k, v in row.items() if v != ""}
        for row in csv.DictReader(lines)
    ]


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def select(rows: Iterable[Row], **wanted: float | str) -> list[Row]:
    """The rows with these values."""
    return [r for r in rows if all(r.get(k) == v for k, v in wanted.items())]


def column(rows: Iterable[Row], name: str) -> list[float]:
    """One column of numbers."""
    return [float(row[name]) for row in rows]


def figure(width: float, height: float) -> Figure:
    """An empty figure in the style of all of them."""
    return Figure(figsize=(width, height), dpi=110, layout="constrained")
