"""Correlation of the critic's estimate with the quality of the samples."""

import math
from collections.abc import Sequence
from itertools import product
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import median_filter
from scipy.stats import spearmanr
from torch import Tensor

from datamodules import Digits
from experiments.studies.alternating import digits_module, fit_and_measure
from experiments.studies.critics import NAMES
from experiments.studies.study import Claim, Row, column, declared, figure, select
from lightning_modules import GAN
from lightning_modules.core.random import RandomStream
from lightning_modules.functional import adversarial
from lightning_modules.functional.slope import estimate_on_plan
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.generative.base import GenerativeModule

WARM_UP = 0.1  # share of the updates in which a critic finds its feet
SMOOTH = 5  # measurements under the running median that is drawn, as in the paper

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/estimate_and_quality.yaml."""

    steps: int
    every: int
    batch_size: int
    width: int
    latent_dim: int
    lr_gan: float
    lr_wgan: float
    lr_wgan_gp: float
    clip: float
    seeds: tuple[int, ...]


def run(settings: Settings) -> list[Row]:
    """Train the three methods and keep the curves of each."""
    runs = product(settings.seeds, NAMES)
    return [row for seed, method in runs for row in _curves(settings, method, seed)]


def _curves(settings: Settings, method: str, seed: int) -> list[Row]:
    lr = settings._asdict()[f"lr_{method}"]
    size, steps, every = settings.width, settings.steps, settings.every
    latent = settings.latent_dim
    module = digits_module(method, size, latent, lr, seed, clip=settings.clip)
    data = Digits(settings.batch_size, seed=seed)
    curves = fit_and_measure(module, data, steps, every, _estimate_and_exact)
    floor = _exact(data.real("val"), data.real("train"))
    return [{"method": method, "seed": seed, **r, "floor": floor} for r in curves]


def _exact(x: Tensor, y: Tensor) -> float:
    return float(wasserstein_distance(x.flatten(1), y.flatten(1)))


def _estimate_and_exact(module: GenerativeModule, data: Digits, step: int) -> Row:
    """The critic's estimate on the training digits, the distance to the held-out."""
    held_out, real = data.real("val"), data.real("train")
    fake = module.sample(len(held_out), seed=step)
    exact = _exact(held_out, fake)
    real = real[: len(fake)]
    if isinstance(module, GAN):
        loss = adversarial.discriminator_loss(module.critic(real), module.critic(fake))
        return {
            "estimate": float(adversarial.jensen_shannon_estimate(loss)),
            "exact": exact,
        }
    epsilon = RandomStream(data.seed, step, "plan").uniform(len(real))
    plan = estimate_on_plan(module.critic, real, fake[: len(real)], epsilon)
    estimates = {"estimate": float(plan.raw), "per_slope": float(plan.per_slope)}
    return {**estimates, "exact": exact}


def correlations(
    rows: Sequence[Row], method: str, key: str = "estimate", warm_up: float = WARM_UP
) -> list[float]:
    """Spearman's rank correlation with exact W1 after the warm-up, for each seed."""
    return [
        float(spearmanr(column(own, key), column(own, "exact")).statistic)
        for own in _by_seed(rows, method, warm_up)
    ]


def _by_seed(rows: Sequence[Row], method: str, warm_up: float) -> list[list[Row]]:
    """The rows of each seed after the warm-up."""
    start = warm_up * max(column(rows, "step"))
    own = [row for row in select(rows, method=method) if float(row["step"]) > start]
    return [select(own, seed=seed) for seed in dict.fromkeys(column(own, "seed"))]


def _detrended(rows: Sequence[Row], method: str) -> float:
    """The same of what a parabola in the steps leaves of both curves."""

    def rest(own: Sequence[Row], name: str) -> "np.ndarray[Any, Any]":
        steps, values = column(own, "step"), column(own, name)
        return values - np.polyval(np.polyfit(steps, values, 2), steps)

    return mean(
        float(spearmanr(rest(own, "estimate"), rest(own, "exact")).statistic)
        for own in _by_seed(rows, method, WARM_UP)
    )


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Rank correlations of estimate and quality, as means over the seeds."""
    seeds = len({row["seed"] for row in rows})
    means = {method: mean(correlations(rows, method)) for method in NAMES}
    from_the_start = mean(correlations(rows, "wgan", warm_up=0.0))
    return [
        claim("wgan_gp", means["wgan_gp"], seeds=seeds),
        claim("wgan", means["wgan"]),
        claim("wgan_from_the_start", from_the_start),
        claim("wgan_per_slope", mean(correlations(rows, "wgan", "per_slope"))),
        claim("gan", means["gan"]),
        claim("saturated", _late_js(rows)),
        *(
            claim("detrended", _detrended(rows, method), method=NAMES[method])
            for method in ("wgan_gp", "wgan", "gan")
        ),
    ]


def _late_js(rows: Sequence[Row]) -> float:
    last = 0.9 * max(column(rows, "step"))
    late = [r for r in select(rows, method="gan") if float(r["step"]) > last]
    return min(column(late, "estimate")) / math.log(2)


def draw(rows: Sequence[Row]) -> Figure:
    """One panel per method: its estimate and the exact distance, of the first seed."""
    fig = figure(12, 3.8)
    first_seed = min(column(rows, "seed"))
    for panel, method in zip(fig.subplots(1, 3), NAMES, strict=True):
        own = select(rows, method=method, seed=first_seed)
        steps, estimate = column(own, "step"), column(own, "estimate")
        name = "JS estimate" if method == "gan" else "critic's estimate"
        panel.plot(steps, estimate, color="#30638e", alpha=0.3)
        smooth = median_filter(estimate, SMOOTH, mode="nearest")
        (first,) = panel.plot(steps, smooth, color="#30638e")
        twin = panel.twinx()
        (second,) = twin.plot(steps, column(own, "exact"), "--", color="#d1495b")
        third = twin.axhline(float(own[0]["floor"]), color="#d1495b", linestyle=":")
        each = ", ".join(f"{value:.2f}" for value in correlations(rows, method))
        panel.set(xlabel="generator updates", ylabel=name)
        data = "scikit-learn's digits"
        panel.set_title(f"{NAMES[method]} on {data}\nrank correlation {each}", size=10)
        twin.set_ylabel("exact W1 to held-out data")
        labels = name, "exact W1", "half to half"
        panel.legend((first, second, third), labels, fontsize=8)
    return fig
