"""A critic that memorises its training images, and how its estimate shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from matplotlib.figure import Figure

from datamodules import Digits
from experiments.studies.alternating import digits_module, fit_and_measure
from experiments.studies.critics import NAMES
from experiments.studies.study import Claim, Row, column, figure, select
from lightning_modules.generative.base import GenerativeModule

METHODS = ("wgan_gp", "wgan")
N_DIGITS = 1797

TITLE = (
    "Gulrajani et al. 2017, section 5.6: the critic's estimate on 1,000 training "
    "digits and on others"
)


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        n_train: Training images; the other digits are the validation set.
        steps: Generator updates of each method.
        every: Updates between two measurements.
        batch_size: Digits in a batch.
        width: Neurons in each of three hidden layers.
        latent_dim: Width of the noise.
        lr: Learning rate of WGAN-GP.
        lr_clipped: Learning rate of WGAN.
        clip: c of WGAN.
        seed: Seed of everything.
    """

    n_train: int = 1000
    steps: int = 3000
    every: int = 50
    batch_size: int = 64
    width: int = 256
    latent_dim: int = 64
    lr: float = 5e-4
    lr_clipped: float = 2e-4
    clip: float = 0.03
    seed: int = 0


def run(settings: Settings) -> list[Row]:
    """Train both methods on few images and keep both estimates of each."""
    rows: list[Row] = []
    for method in METHODS:
        lr = settings.lr_clipped if method == "wgan" else settings.lr
        size = settings.width, settings.latent_dim
        seed, steps, every = settings.seed, settings.steps, settings.every
        module = digits_module(method, *size, lr, seed, clip=settings.clip)
        data = Digits(settings.batch_size, N_DIGITS - settings.n_train, seed=seed)
        curves = fit_and_measure(module, data, steps, every, _estimates)
        rows += [{"method": method, **row} for row in curves]
    return rows


def _estimates(module: GenerativeModule, data: Digits, step: int) -> Row:
    """The critic's estimate against training and against validation images."""
    fakes = module.critic(module.sample(2000, seed=step)).mean()
    train, val = (module.critic(data.real(s)).mean() - fakes for s in ("train", "val"))
    return {"train": float(train), "val": float(val)}


def gap(rows: Sequence[Row], method: str, sixth: int) -> float:
    """Mean of train - val over a sixth of the training."""
    own = select(rows, method=method)
    part = own[sixth * len(own) // 6 : (sixth + 1) * len(own) // 6]
    return mean(float(row["train"]) - float(row["val"]) for row in part)


def claims(rows: Sequence[Row]) -> list[Claim]:
    """Whether the two estimates part, and by how much, for both methods alike."""
    claims: list[Claim] = []
    for method in METHODS:
        name, late = NAMES[method], len(select(rows, method=method)) // 6
        own = select(rows, method=method)[-late:]
        missing = gap(rows, method, 5) / abs(mean(column(own, "train")))
        claims += [
            Claim(
                f"{name}: share of the training estimate that is missing on validation "
                "images, last sixth of training",
                missing,
                low=0.2,
            ),
            Claim(
                f"{name}: the gap between the two in the last sixth over that in the "
                "second (they go on parting)",
                gap(rows, method, 5) / gap(rows, method, 1),
                low=1.5,
            ),
        ]
    return claims


def draw(rows: Sequence[Row]) -> Figure:
    """Both estimates of both methods."""
    fig = figure(10, 4)
    for panel, method in zip(fig.subplots(1, 2), METHODS, strict=True):
        own = select(rows, method=method)
        for key, colour in (("train", "#30638e"), ("val", "#d1495b")):
            panel.plot(column(own, "step"), column(own, key), color=colour, label=key)
        panel.set(
            title=NAMES[method],
            xlabel="generator updates",
            ylabel="critic's estimate",
        )
        panel.legend()
    return fig
