"""What a generator learns from a discriminator that has become too good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from datamodules import MNIST, Digits
from lightning_modules import GAN, ConvCritic, ConvGenerator
from lightning_modules.functional.adversarial import (
    non_saturating_generator_loss,
    saturating_generator_loss,
    wasserstein_generator_loss,
)
from lightning_modules.noise import Noise

from .critics import batches_of, critic_steps, in_double, module_of, seeded
from .study import Claim, Row, Study, column, figure, select

COSTS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "log(1 - D)": ("gan", saturating_generator_loss),
    "-log D": ("gan", non_saturating_generator_loss),
    "-f": ("wgan_gp", wasserstein_generator_loss),
}
WARM_UP = 0.1  # share of the updates in which a critic finds its feet


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        data: ``digits`` or ``mnist``.
        data_root: Directory of MNIST's files.
        epochs: Epochs after which the generator is frozen.
        steps: Updates of each discriminator and critic, from scratch.
        every: Updates between two measurements.
        batch_size: Pictures of each kind in a batch.
        n_probe: Samples in a measured gradient.
        width: Channels of the first layer.
        latent_dim: Width of the noise.
        seed: Seed of everything.
    """

    data: str = "digits"
    data_root: str = "data"
    epochs: tuple[int, ...] = (1, 10, 25)
    steps: int = 2000
    every: int = 20
    batch_size: int = 64
    n_probe: int = 256
    width: int = 16
    latent_dim: int = 32
    seed: int = 0


def measure(settings: Settings) -> list[Row]:
    """Gradient norms of three costs for generators of several ages."""
    data = _data(settings)
    generators = _generators(settings, data)
    real = data.real("train")
    rows = []
    for epoch, generator in generators.items():
        for method in ("gan", "wgan_gp"):
            rows += _probe(settings, real, epoch, generator, method)
    return rows


def _data(settings: Settings) -> Digits | MNIST:
    size, seed = settings.batch_size, settings.seed
    if settings.data == "mnist":
        data: Digits | MNIST = MNIST(settings.data_root, batch_size=size, seed=seed)
    else:
        data = Digits(size, n_held_out=0, seed=seed)
    data.prepare_data()
    data.setup("fit")
    return data


class _Snapshots(pl.Callback):
    """Keeps the generator as it was after certain epochs."""

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs = epochs
        self.kept: dict[int, nn.Module] = {}

    def on_train_epoch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        epoch = trainer.current_epoch + 1
        if epoch in self.epochs:
            assert isinstance(pl_module, GAN)
            self.kept[epoch] = in_double(pl_module.generator).float()


def _generators(
    settings: Settings, data: pl.LightningDataModule
) -> dict[int, nn.Module]:
    """A DCGAN's generator after several epochs of its usual training."""
    shape = data.shape  # type: ignore[attr-defined]
    side: Any = {"smallest_side": 2 if shape[1] < 16 else 4, "width": settings.width}

    def generator() -> nn.Module:
        return ConvGenerator(settings.latent_dim, shape, norm="batch", **side)

    def critic() -> nn.Module:
        return ConvCritic(shape, norm="batch", **side)

    module = GAN(seeded(generator, settings.seed), seeded(critic, settings.seed + 1))
    snapshots = _Snapshots(settings.epochs)
    pl.seed_everything(settings.seed, verbose=False)
    pl.Trainer(
        max_epochs=max(settings.epochs),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=[snapshots],
    ).fit(module, datamodule=data)
    return snapshots.kept


def _probe(
    settings: Settings, real: Tensor, epoch: int, generator: nn.Module, method: str
) -> list[Row]:
    """Train a critic from scratch and look at the generator's gradient meanwhile."""
    shape: Any = tuple(real.shape[1:])
    side: Any = {"smallest_side": 2 if shape[1] < 16 else 4, "width": settings.width}
    norm: Any = "batch" if method == "gan" else "none"

    def make() -> nn.Module:
        return ConvCritic(shape, norm=norm, **side)

    seed = settings.seed + 2
    module = module_of(method, seeded(make, seed), lr=2e-4 if method == "gan" else 1e-4)
    latents, probe = Noise(seed, epoch, "latents"), Noise(seed, epoch, "probe")
    draw = batches_of(real, size=settings.batch_size, seed=seed)

    @torch.no_grad()
    def pairs() -> tuple[Tensor, Tensor]:
        (batch,) = draw()
        return batch, generator(latents.normal(len(batch), settings.latent_dim))

    costs = {name: cost for name, (of, cost) in COSTS.items() if of == method}
    rows: list[Row] = []
    label = f"{epoch} epochs, {method}"
    for step in critic_steps(
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
    generator: nn.Module,
    critic: nn.Module,
    latents: Tensor,
    costs: dict[str, Callable[[Tensor], Tensor]],
) -> dict[str, float]:
    """Euclidean norm of each cost's gradient in the generator's weights, in float64."""
    generator, critic = in_double(generator), in_double(critic)
    scores = critic(generator(latents.double()))
    weights = list(generator.parameters())
    found = {}
    for name, cost in costs.items():
        grads = torch.autograd.grad(cost(scores), weights, retain_graph=True)
        found[name] = float(nn.utils.get_total_norm(grads))
    return found


def trend(rows: Sequence[Row]) -> float:
    """Slope of log10 of the norm, in decades per 1,000 updates, after the start."""
    step, norm = np.array(column(rows, "step")), np.array(column(rows, "norm"))
    late = step >= WARM_UP * step.max()
    return float(np.polyfit(step[late], np.log10(norm[late]), 1)[0] * 1000)


def spread_growth(rows: Sequence[Row]) -> float:
    """How much more log10 of the norm jumps between measurements, late than early.

    Differences leave the trend out, the logarithm the size; early is the first third
    after the warm-up.
    """
    norm = np.log10(column(rows, "norm"))
    jumps = np.diff(norm[int(WARM_UP * len(norm)) :])
    third = len(jumps) // 3
    return float(jumps[-third:].std() / jumps[:third].std())


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Figures 2 and 3 of the paper as numbers, and the critic's counterpart."""
    epochs = sorted({float(row["epochs"]) for row in rows})
    trends = {
        cost: [trend(select(rows, cost=cost, epochs=e)) for e in epochs]
        for cost in COSTS
    }
    growth = [spread_growth(select(rows, cost="-log D", epochs=e)) for e in epochs]
    unit = "decades per 1,000 updates"
    return [
        Claim(
            f"log(1 - D): steepest rise of the gradient norm over {len(epochs)} "
            f"generators, {unit} (it decays)",
            max(trends["log(1 - D)"]),
            high=-0.1,
        ),
        Claim(f"-log D: least rise, {unit} (it grows)", min(trends["-log D"]), low=0.1),
        Claim(
            "-log D: least growth of the relative jumps from one measurement to the "
            "next (their standard deviation, last third over first)",
            min(growth),
            low=1.0,
        ),
        Claim(
            f"WGAN-GP critic: largest change, {unit} (it stays)",
            max(abs(t) for t in trends["-f"]),
            high=0.1,
        ),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """One panel per cost, one line per age of the generator."""
    made = figure(12, 4)
    panels = made.subplots(1, 3, sharey=True)
    titles = (
        "log(1 - D), eq. 2: vanishes",
        "-log D, eq. 3: grows",
        "-f of a WGAN-GP critic, eq. 35: stays",
    )
    for panel, cost, title in zip(panels, COSTS, titles, strict=True):
        for epoch in sorted({float(row["epochs"]) for row in rows}):
            own = select(rows, cost=cost, epochs=epoch)
            steps, norms = column(own, "step"), np.array(column(own, "norm"))
            (line,) = panel.plot(steps, norms, alpha=0.3, linewidth=0.8)
            panel.plot(
                steps,
                _running(norms),
                color=line.get_color(),
                label=f"after {epoch:.0f} epochs",
            )
        panel.set(title=title, xlabel="updates of the critic", yscale="log")
    panels[0].set_ylabel("gradient norm of the generator's cost")
    panels[0].legend(fontsize=8)
    return made


def _running(values: "np.ndarray[Any, Any]", share: float = 0.1) -> list[float]:
    """Running geometric mean."""
    found, mean = [], float(np.log(values[0]))
    for value in np.log(values):
        mean += share * (float(value) - mean)
        found.append(float(np.exp(mean)))
    return found


STUDY = Study(
    "vanishing_gradients",
    "Arjovsky and Bottou 2017 (arXiv:1701.04862), figures 2 and 3: a discriminator "
    "trained from scratch against a frozen DCGAN",
    Settings,
    measure,
    claims,
    draw,
)
