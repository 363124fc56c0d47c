"""Gradients that a generator gets from a discriminator that is nearly optimal."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from statistics import mean
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter1d
from torch import Tensor, nn

from datamodules import MNIST, Digits
from experiments.studies import critics
from experiments.studies.alternating import conv_critic, generators
from experiments.studies.study import Claim, Row, column, declared, figure, select
from lightning_modules.core.random import RandomStream
from lightning_modules.functional import adversarial

Cost = Callable[[Tensor], Tensor]
COSTS: dict[str, tuple[str, Cost]] = {
    "log(1 - D)": ("gan", adversarial.saturating_generator_loss),
    "-log D": ("gan", adversarial.non_saturating_generator_loss),
    "-f": ("wgan_gp", adversarial.wasserstein_generator_loss),
}
SMOOTH = 9  # measurements under the running mean that is drawn
WARM_UP = 0.1  # share of the updates in which a critic finds its feet

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/vanishing_gradients.yaml."""

    data: Literal["digits", "mnist"]
    data_root: str
    epochs: tuple[int, ...]
    steps: int
    every: int
    batch_size: int
    n_probe: int
    width: int
    latent_dim: int
    lr: float
    seeds: tuple[int, ...]


def run(settings: Settings) -> list[Row]:
    """Gradient norms of three costs for generators of several ages."""
    return [row for seed in settings.seeds for row in _run_seed(settings, seed)]


def _run_seed(settings: Settings, seed: int) -> list[Row]:
    data = _data(settings, seed)
    size = settings.width, settings.latent_dim
    frozen = generators(data, settings.epochs, *size, seed)
    real = data.real("train")
    rows: list[Row] = []
    for epoch, generator in frozen.items():
        for method in ("gan", "wgan_gp"):
            rows += _probe(settings, real, epoch, generator, method, seed)
    return [{"seed": seed, **row} for row in rows]


def _data(settings: Settings, seed: int) -> Digits | MNIST:
    size = settings.batch_size
    data: Digits | MNIST = Digits(size, n_held_out=0, seed=seed)
    if settings.data == "mnist":
        data = MNIST(settings.data_root, batch_size=size, seed=seed)
    data.prepare_data()
    data.setup("fit")
    return data


def _probe(
    settings: Settings,
    real: Tensor,
    epoch: int,
    generator: nn.Module,
    method: str,
    seed: int,
) -> list[Row]:
    """Train a critic from scratch and look at the generator's gradient meanwhile."""
    label = f"seed {seed}, {epoch} epochs, {method}"
    seed += 2
    shape: Any = tuple(real.shape[1:])
    norm: Any = "batch" if method == "gan" else "none"
    critic = conv_critic(shape, settings.width, norm, seed)
    module = critics.module_of(method, critic, settings.lr)
    latents, probe = (RandomStream(seed, epoch, use) for use in ("latents", "probe"))
    draw = critics.batches_of(real, size=settings.batch_size, seed=seed)

    @torch.no_grad()
    def pairs() -> tuple[Tensor, Tensor]:
        (batch,) = draw()
        return batch, generator(latents.normal(len(batch), settings.latent_dim))

    costs = {name: cost for name, (of, cost) in COSTS.items() if of == method}
    rows: list[Row] = []
    for step in critics.critic_steps(
        module, pairs, settings.steps, seed=seed, final_rate=1.0, label=label
    ):
        if step % settings.every == 0:
            z = probe.normal(settings.n_probe, settings.latent_dim)
            norms = gradient_norms(generator, module.critic, z, costs)
            rows += [
                {"epochs": epoch, "cost": name, "step": step, "norm": norm}
                for name, norm in norms.items()
            ]
    return rows


def gradient_norms(
    generator: nn.Module, critic: nn.Module, latents: Tensor, costs: Mapping[str, Cost]
) -> dict[str, float]:
    """Euclidean norm of each cost's gradient in the generator's weights, in float64."""
    generator, critic = critics.in_double(generator), critics.in_double(critic)
    scores = critic(generator(latents.double()))
    weights = list(generator.parameters())
    norms = {}
    for name, cost in costs.items():
        grads = torch.autograd.grad(cost(scores), weights, retain_graph=True)
        norms[name] = float(nn.utils.get_total_norm(grads))
    return norms


def trend(rows: Sequence[Row]) -> float:
    """Slope of log10 of the norm, in decades per 1,000 updates, after the start."""
    step, norm = np.array(column(rows, "step")), np.array(column(rows, "norm"))
    late = step >= WARM_UP * step.max()
    return float(np.polyfit(step[late], np.log10(norm[late]), 1)[0] * 1000)


def jump_growth(rows: Sequence[Row], relative: bool = False) -> float:
    """How much more the norm jumps from one measurement to the next, late than early.

    Standard deviation of the jumps, which leave the trend out, in the last third over
    that in the first third after the warm-up; of the logarithm's jumps if ``relative``.
    """
    norm = np.array(column(rows, "norm"))
    jumps = np.diff((np.log(norm) if relative else norm)[int(WARM_UP * len(norm)) :])
    third = len(jumps) // 3
    return float(jumps[-third:].std() / jumps[:third].std())


def _over_runs(
    rows: Sequence[Row], cost: str, number: Callable[[Sequence[Row]], float]
) -> list[float]:
    """A number for each age of the generator, mean over the seeds."""
    own = select(rows, cost=cost)
    seeds = sorted(set(column(own, "seed")))
    return [
        mean(number(select(own, epochs=epoch, seed=seed)) for seed in seeds)
        for epoch in sorted(set(column(own, "epochs")))
    ]


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Figures 2 and 3 of the paper as numbers, and the critic's counterpart."""
    trends = {cost: _over_runs(rows, cost, trend) for cost in COSTS}
    jumps = _over_runs(rows, "-log D", jump_growth)
    relative = _over_runs(rows, "-log D", lambda own: jump_growth(own, relative=True))
    words = {"ages": len(jumps), "seeds": len({row["seed"] for row in rows})}
    change = max(abs(slope) for slope in trends["-f"])
    return [
        claim("vanishes", max(trends["log(1 - D)"]), **words),
        claim("grows", mean(trends["-log D"])),
        claim("jumps", min(jumps)),
        claim("relative_jumps", min(relative)),
        claim("stays", change),
        claim("margin", min(trends["-log D"]) - change),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """One panel per cost, one line per age of the generator."""
    fig = figure(12, 4)
    fig.suptitle("frozen DCGAN generators")
    panels = fig.subplots(1, 3, sharey=True)
    titles = (
        "log(1 - D), eq. 2: vanishes",
        "-log D, eq. 3: grows",
        "-f of a WGAN-GP critic, eq. 35: stays",
    )
    for panel, cost, title in zip(panels, COSTS, titles, strict=True):
        lines = cycle(("-", "--", "-."))
        for epoch in sorted({float(row["epochs"]) for row in rows}):
            own = select(rows, cost=cost, epochs=epoch, seed=rows[0]["seed"])
            steps, norms = column(own, "step"), np.array(column(own, "norm"))
            (line,) = panel.plot(steps, norms, alpha=0.3, linewidth=0.8)
            label = f"after {epoch:.0f} epoch{'s' if epoch > 1 else ''}"
            panel.plot(
                steps, _running(norms), next(lines), color=line.get_color(), label=label
            )
        panel.set(title=title, xlabel="updates of the critic", yscale="log")
    panels[0].set_ylabel("gradient norm of the generator's cost")
    panels[0].legend(fontsize=8)
    return fig


def _running(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Geometric mean of the measurements around each."""
    return np.exp(uniform_filter1d(np.log(values), SMOOTH, mode="nearest"))
