"""Plots as images, and what all plots share."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.plotting.images import Pixels
from lightning_modules.core.files import readable
from lightning_modules.data_contracts.contracts import Summarised, data_of

GREY, RED, BLUE = "#9aa3ad", "#d1495b", "#30638e"


def subject(trainer: Trainer, module: LightningModule) -> str:
    """Method and data of a run, for a title.

    Returns:
        A string such as ``WDGRL on DigitsShift: digits to inverted``.
    """
    data = data_of(trainer)
    of = data.title if isinstance(data, Summarised) else type(data).__name__
    method = type(module).__name__
    return method if data is None else f"{method} on {readable(of)}"


def scatter(real: Tensor, generated: Tensor, title: str) -> Pixels:
    """Draw generated 2-D points over real ones.

    The frame follows the real points, so that a few stray samples don't shrink the
    rest; the legend says how many lie outside it.

    Args:
        real: Data points (n, 2).
        generated: Generated points (m, 2), in the same units.
        title: Line above the plot.

    Raises:
        ValueError: If the points are not 2-D.
    """
    for points in (real, generated):
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(
                f"A scatter needs points of shape (n, 2), not {tuple(points.shape)}."
            )
    low, high = real.float().cpu().aminmax(dim=0)
    centre, radius = (low + high) / 2, float((high - low).max()) * 0.65 or 1.0
    inside = ((generated.float().cpu() - centre).abs() <= radius).all(dim=1)
    label = f"generated ({len(generated)}"
    label += ")" if inside.all() else f", {int((~inside).sum())} outside)"
    figure, axes = new_figure(title)
    _dots(axes, real, GREY, 9.0, f"real ({len(real)})")
    _dots(axes, generated, RED, 5.0, label)
    axes.set_xlim(float(centre[0]) - radius, float(centre[0]) + radius)
    axes.set_ylim(float(centre[1]) - radius, float(centre[1]) + radius)
    axes.set_aspect("equal")
    axes.legend(loc="upper right", markerscale=3, framealpha=0.9)
    return rasterise(figure)


def _dots(axes: Axes, points: Tensor, colour: str, size: float, label: str) -> None:
    x, y = points.detach().float().cpu().unbind(dim=1)
    axes.scatter(
        x.numpy(), y.numpy(), s=size, c=colour, alpha=0.6, linewidths=0, label=label
    )


def histogram(
    values: Tensor,
    title: str,
    label: str,
    marks: tuple[float, ...] = (),
    bins: int = 80,
) -> Pixels:
    """Draw a histogram with a logarithmic count axis.

    Args:
        values: Numbers of any shape; those that are not finite are left out.
        title: Line above the plot.
        label: What the numbers are, with their unit.
        marks: Values to mark by a dashed line, such as the clipping bounds.
        bins: Number of bars.
    """
    figure, axes = new_figure(title)
    axes.hist(finite(values).numpy(), bins=bins, color=BLUE)
    for mark in marks:
        axes.axvline(mark, color=RED, linestyle="--", linewidth=1)
    axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("count")
    return rasterise(figure)


def curves(
    steps: Sequence[int], lines: Mapping[str, Sequence[float]], title: str, label: str
) -> Pixels:
    """Draw several curves over the updates of the generator or encoder.

    Args:
        steps: Where they were measured.
        lines: Values by name; a value that is not finite leaves a gap.
        title: Line above the plot.
        label: What the values are, with their unit.
    """
    figure, axes = new_figure(title)
    for (name, values), colour in zip(lines.items(), cycle((RED, GREY, BLUE))):
        axes.plot(steps, values, ".-", color=colour, label=name)
    axes.set_xlabel("updates")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.axhline(0, color="black", linewidth=0.5)
    axes.legend()
    return rasterise(figure)


def finite(values: Tensor) -> Tensor:
    """The finite numbers of a tensor, flat, float32, on the CPU."""
    flat = values.detach().float().cpu().flatten()
    return flat[flat.isfinite()]


def new_figure(
    title: str, size: tuple[float, float] = (6.4, 6.4)
) -> tuple[Figure, Axes]:
    """Axes of a size in inches, below a title without mathtext."""
    # A Figure made without pyplot is in no global list: it goes with its last
    # reference, and the user's own backend stays as it is.
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, parse_math=False)
    return figure, axes


def point_plot(points: Tensor, title: str) -> Pixels:
    """Draw 2-D points (n, 2)."""
    figure, axes = new_figure(title)
    axes.scatter(points[:, 0], points[:, 1], s=5.0, alpha=0.6, linewidths=0)
    axes.set_aspect("equal")
    return rasterise(figure)


def hide_scales(axes: Axes) -> None:
    """Leave only distances to read, which is all that a projection shows."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])


def legend_below(axes: Axes, columns: int, **options: Any) -> None:
    """Add a legend below the axes, so that it hides no point; no name is a formula."""
    legend = axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=columns,
        frameon=False,
        **options,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def rasterise(figure: Figure) -> Pixels:
    """The pixels of a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels[..., :3])
