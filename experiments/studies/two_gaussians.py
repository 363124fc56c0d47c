"""Estimates of critics between two Gaussians, one of them a frozen generator.

Real points are N((t, 0), I), generated ones N(0, I), so W1 is exactly t. The penalised
problem of WGAN-GP has its optimum at t (1 + t / (2 lambda)), see docs/theory.md; a
clipped critic estimates W1 in a unit that depends on clip, width and t. Divided by the
critic's mean slope on the lines of the exact plan, both come back to W1.

Columns of a row: ``shift`` is t; ``estimate`` is mean f(real) - mean f(generated) on
100,000 fresh points each, ``closed_form`` the optimum (nan for WGAN); ``slope`` is the
mean gradient norm on the lines of an exact plan of 1,000 points, ``lipschitz`` the
largest at 32 points of each of those lines, ``per_slope`` is estimate / slope;
``plan_estimate`` and ``plan_exact`` are the critic's estimate on those 1,000 points and
exact W1 between them.
"""

from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.plotting.plots import BLUE, GREY, RED
from experiments.studies.critics import NAMES, mlp_critic, module_of, train
from experiments.studies.study import Claim, Row, column, declared, figure, select
from lightning_modules.core.random import RandomStream
from lightning_modules.functional.lipschitz import gradient_norm, interpolate
from lightning_modules.functional.slope import estimate_on_plan
from lightning_modules.functional.transport import optimal_pairs
from lightning_modules.generative.base import GenerativeModule

METHODS = ("wgan_gp", "wgan")
TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/two_gaussians.yaml."""

    shifts: tuple[float, ...]
    widths: tuple[int, ...]
    widths_clipped: tuple[int, ...]
    steps: int
    batch_size: int
    lr: float
    lr_clipped: float
    penalty_weight: float
    seeds: tuple[int, ...]


def run(settings: Settings) -> list[Row]:
    """A critic for every method, width, t and seed."""
    kinds = [
        *(("wgan_gp", width) for width in settings.widths),
        *(("wgan", width) for width in settings.widths_clipped),
    ]
    return [
        _trained(settings, method, shift, width, seed)
        for seed in settings.seeds
        for method, width in kinds
        for shift in settings.shifts
    ]


def _trained(
    settings: Settings, method: str, shift: float, width: int, seed: int
) -> Row:
    clipped = method == "wgan"
    weight = 0.0 if clipped else settings.penalty_weight
    critic = mlp_critic(width, seed, init="default")
    lr = settings.lr_clipped if clipped else settings.lr
    module = module_of(method, critic, lr, penalty_weight=weight)
    data, n = RandomStream(seed, 0, "data"), settings.batch_size

    def pairs() -> tuple[Tensor, Tensor]:
        return _real(data, n, shift), module.noise.normal(n, 2)

    train(module, pairs, settings.steps, seed=seed, label=f"{method}, t = {shift:g}")
    return {
        "method": method,
        "shift": shift,
        "penalty_weight": weight,
        "width": width,
        "seed": seed,
        **_evaluated(module, shift, weight, seed),
    }


def _real(noise: RandomStream, n: int, shift: float) -> Tensor:
    return noise.normal(n, 2) + torch.tensor([shift, 0.0])


@torch.no_grad()
def _evaluated(
    module: GenerativeModule, shift: float, weight: float, seed: int
) -> dict[str, float]:
    critic, noise = module.critic, RandomStream(seed, 0, "measure")
    real, fake = _real(noise, 100_000, shift), noise.normal(100_000, 2)
    estimate = float(critic(real).mean() - critic(fake).mean())
    real, fake = real[:1000], fake[:1000]
    plan = estimate_on_plan(critic, real, fake, noise.uniform(1000))
    rows, cols = optimal_pairs(real, fake)
    points = [
        interpolate(real[rows], fake[cols], torch.full((1000,), share))
        for share in torch.linspace(0, 1, 32).tolist()
    ]
    return {
        "estimate": estimate,
        "closed_form": shift * (1 + shift / (2 * weight)) if weight else float("nan"),
        "slope": float(plan.slope),
        "lipschitz": float(gradient_norm(critic, torch.cat(points)).max()),
        "per_slope": estimate / float(plan.slope),
        "plan_estimate": float(plan.raw),
        "plan_exact": float(plan.exact),
    }


def _ratios(rows: Sequence[Row], above: str, below: str, **values: str) -> list[float]:
    own = select(rows, **values)
    pairs = zip(column(own, above), column(own, below), strict=True)
    return [a / b for a, b in pairs]


def claims(rows: Sequence[Row]) -> list[Claim]:
    """The closed form of WGAN-GP, the unit of WGAN, and both per unit of slope."""
    optimum = _ratios(rows, "estimate", "closed_form", method="wgan_gp")
    raw = _ratios(rows, "estimate", "shift", method="wgan")
    per_slope = {m: _ratios(rows, "per_slope", "shift", method=m) for m in METHODS}
    return [
        claim("least_ratio", min(optimum)),
        claim("largest_ratio", max(optimum)),
        claim("unit", max(raw) / min(raw)),
        *(
            claim("per_slope", extreme(ratios), method=NAMES[method], extreme=word)
            for method, ratios in per_slope.items()
            for word, extreme in (("least", min), ("largest", max))
        ),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """Estimate over W1 of both methods, and estimate per slope over W1, over t."""
    fig = figure(12, 4)
    left, middle, right = fig.subplots(1, 3)
    shift = torch.linspace(0.8, 11, 50)
    left.plot(shift, 1 + shift / 20, color=GREY, label="1 + t / (2 lambda)")
    _lines(left, select(rows, method="wgan_gp"), "estimate")
    left.set(title="WGAN-GP, lambda 10: estimate / W1", xlabel="t = W1")
    _lines(middle, select(rows, method="wgan"), "estimate")
    middle.set(title="WGAN, clip 0.01: estimate / W1", xlabel="t = W1", yscale="log")
    right.axhspan(0.95, 1.05, color=GREY, alpha=0.25)
    right.axhline(1, color=GREY)
    _lines(right, rows, "per_slope")
    title = "both: estimate / mean slope / W1"
    right.set(title=title, xlabel="t = W1", ylim=(0.8, 1.1))
    left.legend(fontsize=8, loc="upper left")
    middle.legend(fontsize=8, loc=(0.55, 0.2))
    right.legend(fontsize=8, loc="lower left")
    return fig


def _lines(axes: Axes, rows: Sequence[Row], key: str) -> None:
    """A line for each method and width: means over the seeds, over t."""
    markers = {64.0: "o", 128.0: "s", 256.0: "^"}
    for method, width in sorted({(str(r["method"]), float(r["width"])) for r in rows}):
        own = select(rows, method=method, width=width)
        shifts = sorted(set(column(own, "shift")))
        means = [mean(column(select(own, shift=t), key)) / t for t in shifts]
        colour, line = (RED, "--") if method == "wgan" else (BLUE, "-")
        style, label = (
            markers.get(width, "x") + line,
            f"{NAMES[method]}, width {width:g}",
        )
        axes.plot(shifts, means, style, color=colour, label=label)
