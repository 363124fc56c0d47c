"""Plot of a confusion matrix."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from callbacks.plotting.feature_plots import short_names
from callbacks.plotting.images import Pixels
from callbacks.plotting.plots import rasterise

ALL_NUMBERS, SHARES = 12, 25  # classes up to which a cell holds counts, or shares only


class _Style(NamedTuple):
    font: float
    inches: float  # of a cell
    cells: str  # what they show


_STYLES: tuple[tuple[float, _Style], ...] = (
    (4, _Style(14, 0.0, "count and share of the row")),
    (ALL_NUMBERS, _Style(9, 0.62, "count and share of the row")),
    (SHARES, _Style(9, 0.42, "per cent of the row")),
    (math.inf, _Style(7, 0.3, "colour: share of the row")),
)
"""By the largest number of classes."""


def confusion_matrix(counts: Tensor, class_names: Sequence[str], title: str) -> Pixels:
    """Draw a confusion matrix.

    The colour is the share of the row; a row without a count is grey. Up to 12 classes
    a cell holds count and share, up to 25 the share in per cent alone.

    Args:
        counts: Rows of true class i that were predicted to be class j, int64 (k, k).
        class_names: Names of the classes.
        title: Line above the plot.
    """
    table = counts.cpu().numpy()
    sums = table.sum(axis=1, keepdims=True)
    shares = np.where(sums > 0, table / np.maximum(sums, 1), np.nan)
    k, names = len(table), short_names(class_names)
    style = next(style for limit, style in _STYLES if k <= limit)
    side = min(16.0, max(6.4, 1.6 + style.inches * k))
    figure = Figure(figsize=(side, side), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, parse_math=False)
    axes.set_facecolor("#dddddd")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    wide = 0.09 * max(map(len, names)) > 0.8 * (side - 1.6) / k
    axes.set_xticks(range(k), names, rotation=90 if wide else 0, parse_math=False)
    axes.set_yticks(range(k), names, parse_math=False)
    axes.tick_params(length=0, labelsize=min(style.font, 10))
    axes.set_xlabel(f"predicted class ({style.cells})")
    axes.set_ylabel("true class")
    if k <= SHARES:
        _numbers(axes, table, shares, style.font)
    return rasterise(figure)


def _numbers(
    axes: Axes, table: NDArray[np.int64], shares: NDArray[np.float64], size: float
) -> None:
    for (i, j), count in np.ndenumerate(table):
        if not count:
            continue
        share = 100 * shares[i, j]
        text = "<1" if share < 0.5 else f"{share:.0f}"
        if len(table) <= ALL_NUMBERS:
            text = f"{count}\n{text} %"
        colour = "white" if share > 55 else "black"
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=size)
