"""Plots of features in the plane, coloured by class and by domain."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from torch import Tensor

from callbacks.plotting.images import Pixels
from callbacks.plotting.plots import (
    BLUE,
    GREY,
    RED,
    hide_scales,
    legend_below,
    rasterise,
)
from lightning_modules.core.files import readable

COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#ffb0e0"),
    *("#222222", "#56b4e9", "#8b1a4a", "#e8dc3c", "#4a2fc0"),
)
"""Ten that are told apart, by the colour-blind too, also from the grey of what is
unknown; six of them are those of Okabe and Ito."""
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", "p", ">")
LONGEST = 16  # characters of a name in a plot


class Look(NamedTuple):
    """Colour and marker of a class or domain."""

    colour: str
    marker: str


class Labelled(NamedTuple):
    """What is known of points (n, ...): their class, -1 if unknown, and domain."""

    classes: Tensor
    """int64 (n,)"""
    domains: Tensor
    """int64 (n,): 0 source, 1 target"""
    class_names: Sequence[str]
    domain_names: Sequence[str]


def feature_map(planes: Mapping[str, Tensor], rows: Labelled, title: str) -> Pixels:
    """Draw rows in the plane, coloured by class and, beside it, by domain.

    Both panels have the same coordinates. On the left the source is drawn filled and
    the target as outlines; unknown classes are grey.

    Args:
        planes: Points (n, 2) by the name of the projection; each makes two panels.
        rows: Class and domain of each point.
        title: Line above the plot.
    """
    columns, lines = _legend_shape([*rows.class_names, "unknown"])
    figure = Figure(
        figsize=(12.0, 5.7 * len(planes) + 0.3 + 0.21 * lines),
        dpi=100,
        layout="constrained",
    )
    figure.suptitle(title, parse_math=False)
    grid = figure.subplots(len(planes), 2, squeeze=False)
    for (name, points), (left, right) in zip(planes.items(), grid, strict=True):
        xy = points.detach().float().cpu().numpy()
        _by_class(left, xy, rows)
        _by_domain(right, xy, rows)
        left.set_title(f"{name}: classes (filled: source, outline: target)")
        right.set_title(f"{name}: domains")
    names = short_names(rows.class_names)
    looks = [*map(look, range(len(names)))]
    if (rows.classes < 0).any():
        names, looks = [*names, "unknown"], [*looks, look(-1)]
    _legend(grid[-1][0], names, looks, columns)
    _legend(grid[-1][1], _counted(rows), [Look(BLUE, "o"), Look(RED, "o")], 1)
    return rasterise(figure)


def _by_class(axes: Axes, xy: NDArray[np.float32], rows: Labelled) -> None:
    classes, domains = rows.classes.numpy(), rows.domains.numpy()
    # Classes in turn, unknown ones below them all; the source below the target.
    for domain, label in product((0, 1), range(-1, len(rows.class_names))):
        colour, marker = look(label)
        own = xy[(classes == label) & (domains == domain)]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=22,
            marker=marker,
            facecolors="none" if domain else colour,
            edgecolors=colour if domain else "none",
            linewidths=0.9 if domain else 0,
            alpha=1.0 if domain else 0.7,
        )
    hide_scales(axes)


def _by_domain(axes: Axes, xy: NDArray[np.float32], rows: Labelled) -> None:
    domains = rows.domains.numpy()
    # In an order that mixes both, so that neither hides the other.
    order = np.random.default_rng(0).permutation(len(xy))
    colours = np.array([BLUE, RED])[domains[order]]
    x, y = xy[order].T
    axes.scatter(x, y, s=14, c=colours, alpha=0.6, linewidths=0)
    hide_scales(axes)


def look(label: int) -> Look:
    """Look of a class, or of what is unknown (-1); up to 100 classes look different."""
    if label < 0:
        return Look(GREY, "*")
    tens, ones = divmod(label, len(COLOURS))
    return Look(COLOURS[ones], MARKERS[(ones + tens) % len(MARKERS)])


def _counted(rows: Labelled) -> list[str]:
    names = rows.domain_names
    sides = ("source", "target")
    counts = [int((rows.domains == side).sum()) for side in (0, 1)]
    return [
        f"{side} ({n} rows)" if name == side else f"{side}: {cut} ({n} rows)"
        for side, name, cut, n in zip(
            sides, names, short_names(names), counts, strict=True
        )
    ]


def _legend_shape(names: Sequence[str]) -> tuple[int, int]:
    """Columns and lines of a legend that is as wide as a panel."""
    longest = max(map(len, short_names(names)))
    columns = max(1, min(5, len(names), 72 // (longest + 6)))
    return columns, -(-len(names) // columns)


def _legend(
    axes: Axes, names: Sequence[str], looks: Sequence[Look], columns: int
) -> None:
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="", ms=7)
        for look in looks
    ]
    labels = [f"\u2009{name}" for name in names]  # "_a" alone would be hidden
    legend_below(axes, columns, handles=handles, labels=labels, handletextpad=0.1)


def short(name: str) -> str:
    """A name that fits into a legend.

    >>> short("a"), short("desktop_computer_or_laptop")
    ('a', 'desktop_compute…')
    """
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def short_names(names: Sequence[str]) -> list[str]:
    """Names that fit into a legend and can be drawn, as distinct as they were.

    >>> short_names(["a", "desktop_computer_1", "desktop_computer_2"])
    ['a', 'desktop…mputer_1', 'desktop…mputer_2']
    """
    names = [readable(name) for name in names]
    for cut in (short, _both_ends):
        cut_names = [cut(name) for name in names]
        if len(set(cut_names)) == len(set(names)):
            return cut_names
    return [
        name if len(name) <= LONGEST else f"{name[: LONGEST - 5]}…{number}"
        for number, name in enumerate(names)
    ]


def _both_ends(name: str) -> str:
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[: half - 1]}…{name[-half:]}"
