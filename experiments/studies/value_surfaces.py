"""Value surfaces of clipped and of penalised critics against a fixed generator."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from experiments.studies import critics
from experiments.studies.study import Claim, Row, column, declared, figure, select
from lightning_modules.functional.kantorovich import OptimalCritic

METHODS = ("wgan", "wgan_gp")
GRID = ("x", "y", "value")
TITLES = {
    "gaussians8": "8 Gaussians",
    "gaussians25": "25 Gaussians",
    "swiss_roll": "Swiss roll",
}

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/value_surfaces.yaml."""

    data: tuple[str, ...]
    steps: int
    batch_size: int
    width: int
    lr: float
    lr_clipped: tuple[float, ...]
    penalty_weight: float
    clip: float
    spread: float
    n_measured: int
    resolution: int
    seed: int


def run(settings: Settings) -> list[Row]:
    """Surfaces and their agreement with the exact potential."""
    rows: list[Row] = []
    for name in settings.data:
        pool = critics.cloud(name, settings.seed)
        n, seed = settings.n_measured, settings.seed + 9
        real, fake = critics.noisy_copies(pool, n, seed, settings.spread)()
        exact = OptimalCritic(real, fake)
        for method in METHODS:
            critic = _trained(settings, name, method, pool)
            agreement = _agreement(critic, exact, torch.cat([real, fake]))
            own = [*_surface(critic, settings.resolution), agreement]
            rows += [{"data": name, "method": method, **row} for row in own]
        rows += _points(name, real, fake)
    return rows


def _trained(settings: Settings, name: str, method: str, pool: Tensor) -> nn.Module:
    """The critic; of several clipped ones that of the largest estimate."""
    options = {"clip": settings.clip, "penalty_weight": settings.penalty_weight}
    trained, seed = [], settings.seed
    for lr in settings.lr_clipped if method == "wgan" else (settings.lr,):
        critic = critics.mlp_critic(settings.width, seed)
        module = critics.module_of(method, critic, lr, **options)
        pairs = critics.noisy_copies(pool, settings.batch_size, seed, settings.spread)
        label = f"{name}, {method}, {lr:g}"
        critics.train(module, pairs, settings.steps, seed=seed, label=label)
        with torch.no_grad():
            real, fake = critics.noisy_copies(pool, settings.n_measured, seed + 8)()
            estimate = module.critic(real).mean() - module.critic(fake).mean()
        trained.append((float(estimate), module.critic))
    return max(trained, key=lambda pair: pair[0])[1]


@torch.no_grad()
def _surface(critic: nn.Module, resolution: int) -> list[Row]:
    line = torch.linspace(-2.0, 2.0, resolution)
    points = torch.cartesian_prod(line, line)
    values = critic(points)
    values = (values - values.mean()) / values.std()
    return [
        {"part": "surface", "x": x, "y": y, "value": value}
        for (x, y), value in zip(points.tolist(), values.tolist(), strict=True)
    ]


@torch.no_grad()
def _agreement(critic: nn.Module, exact: OptimalCritic, points: Tensor) -> Row:
    values = torch.stack([critic(points).double(), exact(points)])
    return {"part": "correlation", "value": float(values.corrcoef()[0, 1])}


def _points(name: str, real: Tensor, fake: Tensor) -> list[Row]:
    return [
        {"data": name, "part": part, "x": x, "y": y}
        for part, cloud_ in (("real", real[:300]), ("fake", fake[:300]))
        for x, y in cloud_.tolist()
    ]


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Agreement of each critic with the exact potential."""
    clipped, penalised = (
        np.array(column(select(rows, part="correlation", method=m), "value"))
        for m in METHODS
    )
    unexplained = (1 - penalised**2) / (1 - clipped**2)
    return [
        claim("correlation", float(penalised.min())),
        claim("unexplained", float(unexplained.max())),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """A row of panels per method, a column per data set."""
    names = list(dict.fromkeys(str(r["data"]) for r in rows))
    fig = figure(3 * len(names), 6.6)
    panels = fig.subplots(2, len(names), squeeze=False)
    for line, method in zip(panels, METHODS, strict=True):
        for panel, name in zip(line, names, strict=True):
            own = select(rows, data=name, method=method, part="surface")
            side = round(len(own) ** 0.5)
            grids = (np.reshape(column(own, k), (side, side)) for k in GRID)
            panel.contour(*grids, levels=24, cmap="viridis", linewidths=1.2)
            real = select(rows, data=name, part="real")
            places = (column(real, key) for key in "xy")
            panel.scatter(*places, s=6, color="#d1495b", alpha=0.7)
            (row,) = select(rows, data=name, method=method, part="correlation")
            title = f"{TITLES.get(name, name)}, {critics.NAMES[method]}"
            title += f"\ncorrelation {float(row['value']):.2f}"
            panel.set(title=title, aspect="equal", xlim=(-2, 2), ylim=(-2, 2))
    return fig
