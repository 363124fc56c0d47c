"""Gradients inside twelve-layer critics, clipped and penalised, and their weights."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from callbacks.plotting.feature_plots import MARKERS
from experiments.studies import critics
from experiments.studies.critic_layers import layer_norms, weight_rows
from experiments.studies.study import Claim, Row, column, declared, figure, select
from lightning_modules import MLPCritic
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.generative.base import GenerativeModule

PENALTY = "penalty"
STRONG = "strong penalty"  # of the paper's lambda, which can lock a critic in
ONE_SIDED = "strong one-sided penalty"  # which can't
TIMES = ("before", "after")
BATCHES = 8  # over which gradient norms are averaged

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/deep_critics.yaml."""

    clips: tuple[float, ...]
    steps: int
    batch_size: int
    depth: int
    width: int
    shallow_clip: float
    shallow_steps: int
    shallow_depth: int
    lr: float
    lr_clipped: float
    penalty_weight: float
    strong_weight: float
    seed: int


def run(settings: Settings) -> list[Row]:
    """Train critics of each kind on the Swiss roll, and look into them twice."""
    seed, steps = settings.seed, settings.shallow_steps
    pool = critics.cloud("swiss_roll", seed)
    pairs = critics.noisy_copies(pool, settings.batch_size, seed)
    rows: list[Row] = []
    for kind in (*map(_clipped, settings.clips), PENALTY, STRONG, ONE_SIDED):
        deep = _module(settings, kind, settings.depth, "relu")
        rows += _norms(deep, pairs, kind, "before")
        critics.train(deep, pairs, settings.steps, seed=seed, label=kind)
        rows += _norms(deep, pairs, kind, "after")
    clipped = _clipped(settings.shallow_clip)
    kinds = (clipped, "leaky_relu"), (clipped, "relu"), (PENALTY, "leaky_relu")
    for kind, activation in kinds:
        shallow = _module(settings, kind, settings.shallow_depth, activation)
        rows += _weights(shallow, kind, activation, "before")
        label = f"{kind}, {activation}"
        critics.train(shallow, pairs, steps, seed=seed, label=label)
        rows += _weights(shallow, kind, activation, "after")
    return rows


def _clipped(clip: float) -> str:
    return f"c = {clip:g}"


def _clip(kind: str) -> float | None:
    return None if "penalty" in kind else float(kind.removeprefix("c = "))


def _module(
    settings: Settings, kind: str, depth: int, activation: str
) -> GenerativeModule:
    """A critic of the given kind; a clipped one begins anywhere in its box.

    With the default initial weights the first clipping would already put most of them
    on the walls, and one could not tell what training did.
    """
    clip = _clip(kind)

    def make() -> nn.Module:
        hidden = (settings.width,) * depth
        critic = MLPCritic((2,), hidden, activation=activation)  # type: ignore[arg-type]
        if clip is not None:
            for weight in critic.parameters():
                nn.init.uniform_(weight, -clip, clip)
        return critic

    critic = critics.seeded(make, settings.seed)
    if clip is not None:
        return critics.module_of("wgan", critic, settings.lr_clipped, clip=clip)
    weight = settings.penalty_weight if kind == PENALTY else settings.strong_weight
    one_sided = kind == ONE_SIDED
    options = {"penalty_weight": weight, "one_sided": one_sided}
    return critics.module_of("wgan_gp", critic, settings.lr, **options)


def _norms(
    module: GenerativeModule, pairs: critics.Pairs, kind: str, when: str
) -> list[Row]:
    """Gradient norms over the layers, means over batches, and what was learnt."""
    batches = [pairs() for _ in range(BATCHES)]
    norms = np.mean([layer_norms(module, *pair) for pair in batches], axis=0)
    real, fake = (torch.cat(sides) for sides in zip(*batches, strict=True))
    with torch.no_grad():
        estimate = module.critic(real).mean() - module.critic(fake).mean()
    learnt = float(estimate / wasserstein_distance(real, fake))
    rows: list[Row] = [{"part": "estimate", "value": learnt}]
    for layer, norm in enumerate(norms.tolist(), start=1):
        rows.append({"part": "norm", "layer": layer, "value": norm})
    return [{"critic": kind, "when": when, **row} for row in rows]


def _weights(
    module: GenerativeModule, kind: str, activation: str, when: str
) -> list[Row]:
    about: Row = {"critic": kind, "activation": activation, "when": when}
    return [{**about, **row} for row in weight_rows(module.critic, _clip(kind))]


def _of(rows: Sequence[Row], critic: str, when: str) -> list[float]:
    return column(select(rows, critic=critic, part="norm", when=when), "value")


def _spread(rows: Sequence[Row], critic: str, when: str) -> float:
    norms = np.log10(_of(rows, critic, when))
    return float(norms.max() - norms.min())


def _growth(rows: Sequence[Row], critic: str, when: str) -> float:
    norms = _of(rows, critic, when)
    return norms[0] / norms[-1]


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Decades between layers and weights at the walls, with what they were before."""
    kinds = list(dict.fromkeys(str(row["critic"]) for row in rows))
    steep, *_, gentle = (kind for kind in kinds if _clip(kind) is not None)
    claims = [
        claim("clipped_spread", _spread(rows, gentle, "after"), critic=gentle),
        claim("untrained", _spread(rows, gentle, "before")),
        claim("penalised_spread", _spread(rows, PENALTY, "after")),
        claim("untrained", _spread(rows, PENALTY, "before")),
        claim("explosion", _growth(rows, steep, "after"), critic=steep),
        claim("untrained", _growth(rows, steep, "before")),
    ]
    for kind in kinds:
        (row,) = select(rows, part="estimate", critic=kind, when="after")
        claims.append(claim("learnt", float(row["value"]), critic=kind))
    for activation in ("leaky_relu", "relu"):
        walls = select(rows, part="at walls", activation=activation)
        before, after = (float(select(walls, when=w)[0]["value"]) for w in TIMES)
        names = {"critic": walls[0]["critic"], "activation": activation}
        claims += [claim("at_walls", after, **names), claim("untrained", before)]
    return claims


def draw(rows: Sequence[Row]) -> Figure:
    """Norms over layers, before and after training, beside two histograms."""
    norms = select(rows, part="norm")
    fig = figure(12, 4)
    panel, clipped, penalised = fig.subplots(1, 3)
    looks = (f"{marker}-" for marker in MARKERS)
    for kind in dict.fromkeys(str(r["critic"]) for r in norms):
        own = select(norms, critic=kind)
        layers = column(select(own, when="after"), "layer")
        (line,) = panel.plot(layers, _of(rows, kind, "after"), next(looks), label=kind)
        panel.plot(layers, _of(rows, kind, "before"), ":", color=line.get_color())
    labels = "hidden layer, from the input", "gradient norm of the critic's loss"
    panel.set(yscale="log", xlabel=labels[0], ylabel=labels[1])
    panel.set_title("12 layers on the Swiss roll (dotted: untrained)", size=10)
    panel.legend(fontsize=8)
    weights = select(rows, part="weights", activation="leaky_relu")
    kinds = dict.fromkeys(str(r["critic"]) for r in weights)
    for axes, kind in zip((clipped, penalised), kinds, strict=True):
        for when, colour in zip(TIMES, ("#c9ced4", "#30638e"), strict=True):
            own = select(weights, critic=kind, when=when)
            places, heights = column(own, "layer"), column(own, "value")
            wide = places[1] - places[0]
            axes.bar(places, heights, wide, color=colour, alpha=0.8, label=when)
        axes.set(xlabel="value", yticks=[])
        axes.set_title(f"weights, few layers of leaky ReLU, {kind}", size=10)
        axes.legend(fontsize=8)
    return fig
