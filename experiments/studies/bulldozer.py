"""The bulldozer on a line: plan, potentials and cost between two histograms."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.studies.study import (
    Claim,
    Row,
    column,
    declared,
    figure,
    joint_legend,
    select,
)
from lightning_modules.functional.closed_forms import wasserstein_1d
from lightning_modules.functional.distance import euclidean, pairwise
from lightning_modules.functional.kantorovich import OptimalCritic, dual, primal

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/bulldozer.yaml."""

    bins: int


def run(settings: Settings) -> list[Row]:
    """Solve the transport problem in three ways."""
    places = torch.linspace(0, 10, settings.bins, dtype=torch.float64)
    earth, hole = _histograms(places)
    points = places[:, None]
    cost = pairwise(euclidean, points, points)
    _, value = primal(cost, earth, hole)
    # On a line many plans are optimal; a trace of convexity picks the one in order.
    plan, _ = primal(cost + 1e-4 * cost**2, earth, hole)
    critic = OptimalCritic(points, points, earth, hole)
    rows: list[Row] = [
        {"part": "place", "x": x, "earth": a, "hole": b, "potential": f}
        for x, a, b, f in torch.stack([places, earth, hole, critic(points)], 1).tolist()
    ]
    for i, j in torch.nonzero(plan > 1e-9).tolist():
        mass = float(plan[i, j])
        x, y = float(places[i]), float(places[j])
        rows.append({"part": "move", "x": x, "y": y, "mass": mass})
    values = {
        "primal": value,
        "dual": dual(cost, earth, hole).value,
        "one potential": earth @ critic(points) - hole @ critic(points),
        "closed form": wasserstein_1d(places, places, earth, hole),
        "plan that is drawn": (plan * cost).sum(),
    }
    return rows + [
        {"part": "value", "solver": k, "cost": f"{float(v):.12f}"}
        for k, v in values.items()
    ]


def _histograms(places: Tensor) -> tuple[Tensor, Tensor]:
    def bump(at: float, wide: float) -> Tensor:
        return torch.exp(-((places - at) ** 2) / (2 * wide**2))

    earth = bump(4.5, 0.9)
    hole = bump(1.5, 0.5) + 1.4 * bump(8.0, 0.6)
    return earth / earth.sum(), hole / hole.sum()


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Several ways to one number."""
    costs = column(select(rows, part="value"), "cost")
    places = select(rows, part="place")
    slopes = np.diff(column(places, "potential")) / np.diff(column(places, "x"))
    return [
        claim("difference", max(costs) - min(costs)),
        claim("slope", float(np.abs(slopes).max())),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """Heaps and potential beside the plan."""
    places, moves = select(rows, part="place"), select(rows, part="move")
    fig = figure(11, 4.2)
    left, right = fig.subplots(1, 2)
    x = column(places, "x")
    width = x[1] - x[0]
    left.bar(x, column(places, "earth"), width, alpha=0.5, label="earth, P")
    left.bar(x, column(places, "hole"), width, alpha=0.5, label="hole, Q")
    left.set(xlabel="x", ylabel="mass")
    twin = left.twinx()
    twin.plot(x, column(places, "potential"), color="black", label="potential f")
    twin.set_ylabel("f")
    joint_legend(left, twin)
    sizes = 2500 * np.array(column(moves, "mass"))
    right.scatter(column(moves, "x"), column(moves, "y"), s=sizes, color="#30638e")
    right.plot([0, 10], [0, 10], ":", color="grey")
    cost = column(select(rows, part="value"), "cost")[0]
    title = f"optimal plan, W1 = {cost:.3f}"
    right.set(xlabel="from", ylabel="to", title=title, aspect="equal")
    return fig
