"""Whether what the critic says follows what the samples are worth."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from scipy.stats import spearmanr
from torch import Tensor

from datamodules import Digits
from lightning_modules import GAN
from lightning_modules.functional.adversarial import (
    discriminator_loss,
    jensen_shannon_estimate,
)
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.generative import GenerativeModule

from .critics import NAMES
from .players import digits_players, fit_watched
from .study import Claim, Row, Study, column, figure, select


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        steps: Generator updates of each method.
        every: Updates between two measurements.
        batch_size: Digits in a batch.
        width: Neurons in each of three hidden layers.
        latent_dim: Width of the noise.
        lr_gan: Learning rate of the GAN.
        lr_wgan: Learning rate of WGAN.
        lr_wgan_gp: Learning rate of WGAN-GP.
        clip: c of WGAN.
        seed: Seed of everything.
    """

    steps: int = 2000
    every: int = 50
    batch_size: int = 64
    width: int = 128
    latent_dim: int = 32
    lr_gan: float = 2e-4
    lr_wgan: float = 2e-4
    lr_wgan_gp: float = 2e-4
    clip: float = 0.03
    seed: int = 0


def measure(settings: Settings) -> list[Row]:
    """Train the three methods and keep both curves of each."""
    rates = {
        "gan": settings.lr_gan,
        "wgan": settings.lr_wgan,
        "wgan_gp": settings.lr_wgan_gp,
    }
    rows: list[Row] = []
    for method, lr in rates.items():
        extra = {"clip": settings.clip} if method == "wgan" else {}
        width, latent, seed = settings.width, settings.latent_dim, settings.seed
        module = digits_players(method, width, latent, lr, seed, **extra)
        data = Digits(settings.batch_size, seed=seed)
        found = fit_watched(module, data, settings.steps, settings.every, _look)
        floor = _exact(data.real("val"), data.real("train"))
        rows += [{"method": method, **row, "floor": floor} for row in found]
    return rows


def _exact(x: Tensor, y: Tensor) -> float:
    return float(wasserstein_distance(x.flatten(1), y.flatten(1)))


def _look(module: GenerativeModule, data: Digits, step: int) -> Row:
    """Estimate and exact distance, both on the held-out digits."""
    real = data.real("val")
    fake = module.sample(len(real), seed=step)
    on_real, on_fake = module.critic(real), module.critic(fake)
    if isinstance(module, GAN):
        estimate = jensen_shannon_estimate(discriminator_loss(on_real, on_fake))
    else:
        estimate = on_real.mean() - on_fake.mean()
    return {"estimate": float(estimate), "exact": _exact(real, fake)}


def correlation(rows: Sequence[Row], method: str) -> float:
    """Spearman's rank correlation of estimate and exact W1 over training."""
    own = select(rows, method=method)
    return float(spearmanr(column(own, "estimate"), column(own, "exact")).statistic)


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Rank correlations of estimate and quality."""
    about = "rank correlation of its estimate with the samples' exact W1 to data"
    wgan, wgan_gp, gan = (correlation(rows, m) for m in ("wgan", "wgan_gp", "gan"))
    return [
        Claim(f"WGAN-GP: {about}", wgan_gp, low=0.7),
        Claim(f"WGAN: {about}", wgan, low=0.7),
        Claim(f"GAN, Jensen-Shannon estimate: {about}", gan, high=0.3),
    ]


def draw(rows: Sequence[Row]) -> Figure:
    """One panel per method: its estimate and the exact distance."""
    made = figure(12, 3.8)
    for panel, method in zip(made.subplots(1, 3), NAMES, strict=True):
        own = select(rows, method=method)
        steps = column(own, "step")
        name = "JS estimate" if method == "gan" else "critic's estimate"
        (first,) = panel.plot(steps, column(own, "estimate"), color="#30638e")
        twin = panel.twinx()
        (second,) = twin.plot(steps, column(own, "exact"), "--", color="#d1495b")
        third = twin.axhline(float(own[0]["floor"]), color="#d1495b", linestyle=":")
        panel.set(
            title=f"{NAMES[method]}: rank correlation {correlation(rows, method):.2f}",
            xlabel="generator updates",
            ylabel=name,
        )
        twin.set_ylabel("exact W1 to held-out data")
        panel.legend(
            [first, second, third], [name, "exact W1", "data to data"], fontsize=8
        )
    return made


STUDY = Study(
    "estimate_and_quality",
    "Arjovsky et al. 2017, figures 3 and 4: the critic's estimate beside the quality "
    "of the samples while digits are learnt",
    Settings,
    measure,
    claims,
    draw,
)
