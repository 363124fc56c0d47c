"""Gradients inside twelve-layer critics, clipped and penalised, and their weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from lightning_modules import MLPCritic
from lightning_modules.generative import GenerativeModule

from .critics import cloud, module_of, noisy_copies, seeded, train
from .study import Claim, Row, Study, column, figure, select

PENALTY = "penalty"
BINS = 61
BATCHES = 8  # over which gradient norms are averaged


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        clips: Values of c.
        steps: Updates of each critic.
        batch_size: Points of each kind in a batch.
        depth: Hidden layers.
        width: Neurons of each.
        lr: Learning rate of WGAN-GP; it falls to a twentieth.
        lr_clipped: Learning rate of WGAN.
        penalty_weight: lambda of WGAN-GP.
        seed: Seed of everything.
    """

    clips: tuple[float, ...] = (0.1, 0.01, 0.001)
    steps: int = 1000
    batch_size: int = 256
    depth: int = 12
    width: int = 256
    lr: float = 1e-4
    lr_clipped: float = 5e-5
    penalty_weight: float = 10.0
    seed: int = 0


def measure(settings: Settings) -> list[Row]:
    """Train a critic of each kind on the Swiss roll and look into it."""
    pool = cloud("swiss_roll", settings.seed)
    rows: list[Row] = []
    for kind in (*(f"c = {c:g}" for c in settings.clips), PENALTY):
        module = _module(settings, kind)
        pairs = noisy_copies(pool, settings.batch_size, settings.seed)
        train(module, pairs, settings.steps, seed=settings.seed, label=kind)
        batches = [pairs() for _ in range(BATCHES)]
        norms = np.mean([layer_norms(module, *pair) for pair in batches], axis=0)
        rows += [
            {"critic": kind, "part": "norm", "layer": i + 1, "value": float(norm)}
            for i, norm in enumerate(norms)
        ]
        rows += _weights(module, kind)
    return rows


def _module(settings: Settings, kind: str) -> GenerativeModule:
    def make() -> nn.Module:
        return MLPCritic((2,), (settings.width,) * settings.depth)

    critic = seeded(make, settings.seed)
    if kind == PENALTY:
        weight = settings.penalty_weight
        return module_of("wgan_gp", critic, settings.lr, penalty_weight=weight)
    return module_of("wgan", critic, settings.lr_clipped, clip=float(kind[4:]))


def layer_norms(module: GenerativeModule, real: Tensor, fake: Tensor) -> list[float]:
    """Norm of the critic loss' gradient at the output of each hidden layer.

    In float64, so that what underflows in float32 is still seen; of the loss without
    the penalty, which acts on the input alone.
    """
    critic = MLPCritic((2,), _widths(module.critic)).double()
    critic.load_state_dict(module.critic.state_dict())
    activations: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        output.retain_grad()
        activations.append(output)

    for layer in critic.modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(keep)
    loss = critic(fake.double()).mean() - critic(real.double()).mean()
    loss.backward()
    half = len(activations) // 2  # fake first, then real
    pairs = zip(activations[:half], activations[half:], strict=True)
    return [float((a.grad.norm() ** 2 + b.grad.norm() ** 2) ** 0.5) for a, b in pairs]  # type: ignore[union-attr]


def _widths(critic: nn.Module) -> tuple[int, ...]:
    layers = [m for m in critic.modules() if isinstance(m, nn.Linear)]
    return tuple(layer.out_features for layer in layers[:-1])


def _weights(module: GenerativeModule, kind: str) -> list[Row]:
    """Histogram of all weights, and how many of them stand at the clip value."""
    matrices = [p.detach().flatten() for p in module.critic.parameters() if p.ndim > 1]
    values = torch.cat(matrices)
    largest = float(values.abs().max())
    reach = float(values.abs().quantile(0.9999))  # a few large ones hide the rest
    counts, edges = np.histogram(values.numpy(), BINS, (-reach, reach), density=True)
    at_bound = float((values.abs() > 0.99 * largest).float().mean())
    centres = (edges[1:] + edges[:-1]) / 2
    rows: list[Row] = [{"critic": kind, "part": "saturated", "value": at_bound}]
    for x, y in zip(centres.tolist(), counts.tolist(), strict=True):
        rows.append({"critic": kind, "part": "weights", "layer": x, "value": y})
    return rows


def _spread(rows: Sequence[Row], kind: str) -> float:
    norms = np.log10(column(select(rows, critic=kind, part="norm"), "value"))
    return float(norms.max() - norms.min())


def _saturated(rows: Sequence[Row], kind: str) -> float:
    (row,) = select(rows, critic=kind, part="saturated")
    return float(row["value"])


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Decades between layers, and weights at the bound."""
    kinds = list(dict.fromkeys(str(r["critic"]) for r in rows))
    gentle, steep = kinds[-2], kinds[0]
    first = select(rows, critic=steep, part="norm")[0]["value"]
    last = select(rows, critic=steep, part="norm")[-1]["value"]
    return [
        Claim(
            f"{gentle}: decades between the layers' gradient norms",
            _spread(rows, gentle),
            low=3.0,
        ),
        Claim(
            f"{PENALTY}: decades between the layers' gradient norms",
            _spread(rows, PENALTY),
            high=1.0,
        ),
        Claim(
            f"{steep}: gradient norm at the first layer over that at the last (it "
            "explodes)",
            float(first) / float(last),
            low=10.0,
        ),
        Claim(
            f"{kinds[1]}: share of weights within 1 % of +-c",
            _saturated(rows, kinds[1]),
            low=0.6,
        ),
        Claim(
            f"{PENALTY}: share of weights within 1 % of the largest",
            _saturated(rows, PENALTY),
            high=0.01,
        ),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """Norms over layers beside two histograms."""
    kinds = list(dict.fromkeys(str(r["critic"]) for r in rows))
    made = figure(12, 4)
    panel, clipped, penalised = made.subplots(1, 3)
    for kind in kinds:
        own = select(rows, critic=kind, part="norm")
        panel.plot(column(own, "layer"), column(own, "value"), "o-", label=kind)
    panel.set(
        yscale="log",
        xlabel="hidden layer, from the input",
        ylabel="gradient norm of the critic's loss",
        title="12 layers on the Swiss roll",
    )
    panel.legend(fontsize=8)
    for axes, kind in ((clipped, kinds[1]), (penalised, PENALTY)):
        own = select(rows, critic=kind, part="weights")
        places, heights = column(own, "layer"), column(own, "value")
        axes.bar(places, heights, width=places[1] - places[0], color="#30638e")
        axes.set(title=f"weights, {kind}", xlabel="value", yticks=[])
    return made


STUDY = Study(
    "deep_critics",
    "Gulrajani et al. 2017, figure 1b: twelve-layer critics, and where their weights "
    "stand",
    Settings,
    measure,
    claims,
    draw,
)
