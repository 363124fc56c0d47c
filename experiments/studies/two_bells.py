"""A discriminator and a critic between two Gaussians on a line."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from callbacks.plotting.feature_plots import COLOURS
from experiments.studies.critics import mlp_critic, module_of, train
from experiments.studies.study import Claim, Row, column, declared, figure, joint_legend
from lightning_modules.core.random import RandomStream
from lightning_modules.functional.kantorovich import OptimalCritic

FLAT = 0.01  # below this slope of D the minimax cost (2) hardly teaches

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/two_bells.yaml."""

    real_mean: float
    fake_mean: float
    std: float
    steps: int
    batch_size: int
    width: int
    lr: float
    lr_clipped: float
    penalty_weight: float
    n_exact: int
    seed: int


def run(settings: Settings) -> list[Row]:
    """D, D's slope, the critic and the exact potential along the line."""
    noise = RandomStream(settings.seed, 0, "bells")

    def pairs(n: int = settings.batch_size) -> tuple[Tensor, Tensor]:
        real, fake = settings.std * noise.normal(2, n, 1)
        return real + settings.real_mean, fake + settings.fake_mean

    trained, seed = {}, settings.seed
    for method in ("gan", "wgan", "wgan_gp"):
        lr = settings.lr_clipped if method == "wgan" else settings.lr
        critic = mlp_critic(settings.width, seed, depth=2, dim=1)
        weight = settings.penalty_weight
        module = module_of(method, critic, lr, penalty_weight=weight)
        train(module, pairs, settings.steps, seed=seed, label=method)
        trained[method] = module.critic
    real, fake = pairs(settings.n_exact)
    line = torch.linspace(-6, 6, 241)[:, None].requires_grad_(True)
    d = trained["gan"](line).sigmoid()
    f, clipped = trained["wgan_gp"](line), trained["wgan"](line)
    exact = OptimalCritic(real, fake)(line.detach()).detach()
    slopes = [torch.autograd.grad(v.sum(), line)[0].squeeze(1) for v in (d, f)]
    columns = {
        "x": line.detach().squeeze(1),
        "discriminator": d.detach(),
        "discriminator_slope": slopes[0],
        "critic": f.detach() - f.detach().mean(),
        "critic_slope": slopes[1],
        "clipped": clipped.detach() - clipped.detach().mean(),
        "overshoot": _overshoot(settings).expand(len(line)),
        "exact": exact - exact.mean(),
        "real_density": _bell(line.detach(), settings.real_mean, settings.std),
        "fake_density": _bell(line.detach(), settings.fake_mean, settings.std),
    }
    values = torch.stack([c.double() for c in columns.values()], 1).tolist()
    return [dict(zip(columns, row, strict=True)) for row in values]


def _overshoot(settings: Settings) -> Tensor:
    """Slope of the penalised problem's optimum, 1 + t / (2 lambda): docs/theory.md."""
    shift = settings.real_mean - settings.fake_mean
    return torch.tensor(1 + shift / (2 * settings.penalty_weight))


def _bell(x: Tensor, mean: float, std: float) -> Tensor:
    return torch.exp(-((x.squeeze(1) - mean) ** 2) / (2 * std**2)) / std / 2.5066


def _between(rows: Sequence[Row]) -> list[Row]:
    """The rows between the two means."""
    x = np.array(column(rows, "x"))
    low, high = (
        x[np.argmax(column(rows, f"{kind}_density"))] for kind in ("fake", "real")
    )
    return [row for row in rows if low <= float(row["x"]) <= high]


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Saturation against a straight line."""
    fakes, optimum = np.array(column(rows, "fake_density")), float(rows[0]["overshoot"])
    flat = np.abs(column(rows, "discriminator_slope")) < FLAT
    near = np.abs(np.array(column(rows, "critic_slope")) / optimum - 1) < 0.05
    middle = _between(rows)
    saturated, overshoot = (float(fakes[k].sum() / fakes.sum()) for k in (flat, near))
    return [
        claim("saturated", saturated, flat=FLAT),
        claim("straight", _straightness(middle, "clipped"), method="WGAN"),
        claim("straight", _straightness(middle, "critic"), method="WGAN-GP"),
        claim("overshoot", overshoot, optimum=optimum),
    ]


def _straightness(rows: Sequence[Row], key: str) -> float:
    x, f = np.array(column(rows, "x")), np.array(column(rows, key))
    residual = f - np.polyval(np.polyfit(x, f, 1), x)
    return float(1 - residual.var() / f.var())


def draw(rows: Sequence[Row]) -> Figure:
    """Densities below, D and critic above."""
    fig = figure(10, 4.5)
    left = fig.subplots()
    x = column(rows, "x")
    for kind, colour in (("real", "#d1495b"), ("fake", "#30638e")):
        heights, label = column(rows, f"{kind}_density"), f"density, {kind}"
        left.fill_between(x, heights, alpha=0.25, color=colour, label=label)
    left.plot(x, column(rows, "discriminator"), color="black", label="D")
    left.set(xlabel="x", ylabel="D and densities", ylim=(0, 1.05))
    right = left.twinx()
    right.plot(x, column(rows, "critic"), color=COLOURS[2], label="critic, WGAN-GP")
    clipped = np.array(column(rows, "clipped"))
    size = float(np.ptp(column(rows, "exact")) / np.ptp(clipped))
    label = f"critic, WGAN, times {size:.2g}"
    right.plot(x, size * clipped, "-.", color=COLOURS[1], label=label)
    right.plot(x, column(rows, "exact"), "--", color="grey", label="exact potential")
    right.set_ylabel("critic and potential, centred")
    joint_legend(left, right, loc="upper left")
    left.set_title("Two Gaussians: D saturates; critics rise in straight lines")
    return fig
