"""Estimates of critics trained to the end on fixed points, beside their exact W1."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.plotting.feature_plots import MARKERS
from callbacks.plotting.plots import GREY
from experiments.studies import critics
from experiments.studies.study import Claim, Row, column, declared, figure, select
from lightning_modules.core.random import RandomStream
from lightning_modules.functional.slope import estimate_on_plan
from lightning_modules.functional.transport import wasserstein_distance

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/optimal_critics.yaml."""

    sizes: tuple[int, ...]
    weights: tuple[float, ...]
    spreads: tuple[float, ...]
    steps: int
    batch_size: int
    width: int
    lr: float
    seed: int


def run(settings: Settings) -> list[Row]:
    """A critic for every n, lambda and spread."""
    pool = critics.cloud("gaussians25", settings.seed)
    rows: list[Row] = []
    for n in settings.sizes:
        floor = float(wasserstein_distance(pool[:n], pool[n : 2 * n]))
        for spread in settings.spreads:
            noise = RandomStream(settings.seed, n, "samples").normal(n, 2)
            real, fake = pool[:n], pool[n : 2 * n] + spread * noise
            rows += [
                {**_row(settings, real, fake, weight, spread), "floor": floor}
                for weight in settings.weights
            ]
    return rows


def _row(
    settings: Settings, real: Tensor, fake: Tensor, weight: float, spread: float
) -> Row:
    seed = settings.seed
    critic = critics.mlp_critic(settings.width, seed)
    module = critics.module_of("wgan_gp", critic, settings.lr, penalty_weight=weight)
    pairs = critics.batches_of(real, fake, size=settings.batch_size, seed=seed)
    label = f"n = {len(real)}, spread = {spread:g}, lambda = {weight:g}"
    epsilon = torch.rand(len(real), generator=torch.Generator().manual_seed(seed))
    steps = settings.steps
    for step in critics.critic_steps(module, pairs, steps, seed=seed, label=label):
        if step == steps // 2:
            half_way = estimate_on_plan(critic, real, fake, epsilon)
    plan = estimate_on_plan(critic, real, fake, epsilon)
    return {
        "half_way": float(half_way.per_slope),
        "n": len(real),
        "spread": spread,
        "weight": weight,
        "estimate": float(plan.raw),
        "slope": float(plan.slope),
        "per_slope": float(plan.per_slope),
        "exact": float(plan.exact),
    }


def ratio(row: Row) -> float:
    """Estimate per slope over exact W1."""
    return float(row["per_slope"]) / float(row["exact"])


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Each lambda and spread at the largest n, and how far training had come."""
    largest = select(rows, n=max(column(rows, "n")))
    largest.sort(key=lambda row: (-float(row["spread"]), row["weight"]))
    late = [float(row["per_slope"]) / float(row["half_way"]) - 1 for row in largest]
    return [
        *(claim("ratio", ratio(row), **row) for row in largest),
        claim("late_growth", min(late), extreme="least"),
        claim("late_growth", max(late), extreme="most"),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """Per spread: raw and normalised estimates over lambda, for each n."""
    spreads = sorted({float(r["spread"]) for r in rows})
    fig = figure(5.5 * len(spreads), 4.6)
    for panel, spread in zip(fig.subplots(1, len(spreads)), spreads, strict=True):
        for n, marker in zip(sorted(set(column(rows, "n"))), MARKERS, strict=False):
            own = select(rows, n=n, spread=spread)
            weights, end = column(own, "weight"), f", n = {n:.0f}"
            (line,) = panel.plot(weights, [ratio(r) for r in own], f"{marker}-")
            line.set_label("estimate / mean slope" + end)
            look = {"color": line.get_color(), "linewidth": 1}
            raw = [float(r["estimate"]) / float(r["exact"]) for r in own]
            panel.plot(weights, raw, "x", **look, label="estimate" + end)
            floor = float(own[0]["floor"]) / float(own[0]["exact"])
            panel.axhline(floor, linestyle=":", **look, label="data against data" + end)
        panel.axhspan(0.8, 1.2, color=GREY, alpha=0.25, label="exact W1, 20 % off")
        panel.set(
            xscale="log",
            yscale="log",
            ylim=(0.09, 40),
            xlabel="lambda",
            ylabel="over exact W1",
            title=f"WGAN-GP on 25 Gaussians, noise {spread:g}",
        )
        panel.legend(fontsize=7, ncols=2, loc="upper center")
    return fig
