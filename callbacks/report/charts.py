"""Line charts as inline SVG, which a short script lets one zoom and read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callbacks.report.run_files import Series

UNIT = 1000  # width and height of the plotting area in its own coordinates
MOST_POINTS = 600  # of a line: more than pixels on most screens
LEAST = 1e-300  # a quarter of less may be 0
DIVISIONS = 4


@dataclass(frozen=True)
class Chart:
    """A chart as the page's template draws it.

    Args:
        title: What it shows.
        labels: Names of the lines.
        paths: Their ``d`` attributes, in a square of `UNIT` with y downwards.
        points: Their points in units of the data, for the script.
        x: Labels of the horizontal axis, evenly spaced from left to right.
        y: Labels of the vertical axis, from bottom to top.
        box: Range of the axes: left, right, bottom, top.
        marks: Positions of the validations on the horizontal axis.
    """

    title: str
    labels: list[str]
    paths: list[str]
    points: list[Any]
    x: list[str]
    y: list[str]
    box: tuple[float, float, float, float]
    marks: list[float]


def line_chart(
    title: str, lines: Sequence[tuple[str, Series]], marks: Sequence[int] = ()
) -> Chart:
    """A chart of lines over steps.

    Args:
        title: What it shows.
        lines: Labels and points, all finite, at least one point in all.
        marks: Steps to mark on the horizontal axis.
    """
    thin = [thinned(points) for _, points in lines]
    steps = [step for points in thin for step, _ in points]
    values = [value for points in thin for _, value in points]
    left, right = nice_range(min(0, *steps), max(steps))
    bottom, top = nice_range(min(values), max(values))
    box = (left, right, bottom, top)
    return Chart(
        title,
        labels=[label for label, _ in lines],
        paths=[_path(points, box) for points in thin],
        points=[[[x, float(f"{y:.5g}")] for x, y in points] for points in thin],
        x=_labels(left, right),
        y=_labels(bottom, top),
        box=box,
        marks=[UNIT * (step - left) / (right - left) for step in marks],
    )


def thinned(points: Series, most: int = MOST_POINTS) -> Series:
    """The smallest and the largest value of each of a few stretches.

    >>> thinned([(0, 1.0), (1, 5.0), (2, 2.0), (3, 0.0), (4, 9.0), (5, 3.0)], most=4)
    [(0, 1.0), (1, 5.0), (3, 0.0), (4, 9.0)]
    """
    if len(points) <= most:
        return points
    size = math.ceil(2 * len(points) / most)
    kept = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        ends = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept


def nice_range(low: float, high: float) -> tuple[float, float]:
    """A range around two numbers whose quarters are short numbers.

    >>> nice_range(3, 2320)
    (0.0, 2400.0)
    >>> nice_range(0.5, 0.5)
    (0.0, 1.0)
    """
    if high - low < LEAST:
        low, high = low - max(abs(low), 1e-12), high + max(abs(high), 1e-12)
    raw = (high - low) / DIVISIONS
    power = 10.0 ** math.floor(math.log10(raw))
    for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20):
        step = factor * power
        start = step * math.floor(low / step)
        if step >= raw and start + DIVISIONS * step >= high:
            break
    return start, start + DIVISIONS * step


def _path(points: Series, box: tuple[float, float, float, float]) -> str:
    left, right, bottom, top = box
    parts = [
        f"{UNIT * (x - left) / (right - left):.1f},"
        f"{UNIT * (top - y) / (top - bottom):.1f}"
        for x, y in points
    ]
    if len(parts) == 1:  # a point; round ends of the line make it visible
        parts *= 2
    return "M" + "L".join(parts) if parts else ""


def _labels(low: float, high: float) -> list[str]:
    step = (high - low) / DIVISIONS
    return [f"{low + i * step:.6g}" for i in range(DIVISIONS + 1)]
