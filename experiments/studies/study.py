"""Parts of a study: the rows of a run, claims and a figure made from the rows."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.records import csv_rows

Row = dict[str, float | str]
DECLARED = yaml.safe_load(Path(__file__).with_name("claims.yaml").read_text())


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
        """True if the number is within the bounds."""
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


def declared(module: str) -> tuple[str, Callable[..., Claim]]:
    """Title of a study and a function that makes its claims, as claims.yaml says.

    The function takes a claim's key, its number, and the words of its statement.
    """
    study = DECLARED[module.rpartition(".")[2]]

    def claim(key: str, value: float, **words: object) -> Claim:
        bounds = dict(study["claims"][key])
        return Claim(bounds.pop("statement").format(**words), value, **bounds)

    return study["title"], claim


class Study(Protocol):
    """A module that holds one experiment of docs/theory.md or of a paper.

    Attributes:
        TITLE: What it shows, one line, with its source.
        Settings: Types of its settings, whose values stand in configs/studies.
    """

    TITLE: str
    Settings: type[Any]

    def run(self, settings: Any, /) -> list[Row]:
        """The rows for these settings; the part that takes time."""

    def claims(self, rows: Sequence[Row], /) -> list[Claim]:
        """The claims that these rows bear out or don't."""

    def draw(self, rows: Sequence[Row], /) -> Figure:
        """The figure of these rows."""


def from_csv(text: str) -> list[Row]:
    r"""Rows of a CSV file, numbers as numbers, without what is empty.

    >>> from_csv("# commit: abc\na,b\n1,x\n,y\n")
    [{'a': 1.0, 'b': 'x'}, {'b': 'y'}]
    """
    return [
        {name: _value(word) for name, word in row.items() if word != ""}
        for row in csv_rows(text)
    ]


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def select(rows: Iterable[Row], **values: float | str) -> list[Row]:
    """The rows with these values."""
    return [r for r in rows if all(r.get(k) == v for k, v in values.items())]


def column(rows: Iterable[Row], name: str) -> list[float]:
    """One column of numbers."""
    return [float(row[name]) for row in rows]


def joint_legend(left: Axes, right: Axes, **options: Any) -> None:
    """One legend for two axes over one another."""
    handles = [axes.get_legend_handles_labels() for axes in (left, right)]
    left.legend(*(a + b for a, b in zip(*handles, strict=True)), **options)


def figure(width: float, height: float) -> Figure:
    """An empty figure in the style of all of them."""
    return Figure(figsize=(width, height), dpi=110, layout="constrained")
