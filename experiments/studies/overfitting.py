"""Estimates of a critic that memorises its training images."""

from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

from matplotlib.figure import Figure

from callbacks.plotting.plots import BLUE, RED
from datamodules import Digits
from experiments.studies.alternating import digits_module, fit_and_measure
from experiments.studies.critics import NAMES
from experiments.studies.study import Claim, Row, column, declared, figure, select
from lightning_modules.generative.base import GenerativeModule

METHODS = ("wgan_gp", "wgan")
N_DIGITS = 1797

TITLE, claim = declared(__name__)


class Settings(NamedTuple):
    """Settings of the study, see configs/studies/overfitting.yaml."""

    n_train: int
    steps: int
    every: int
    batch_size: int
    width: int
    latent_dim: int
    lr: float
    lr_clipped: float
    clip: float
    seed: int


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
    """Size and growth of the gap between the two estimates, for both methods."""
    claims: list[Claim] = []
    for method in METHODS:
        own = select(rows, method=method)
        late, last = own[-(len(own) // 6) :], gap(rows, method, 5)
        missing = last / abs(mean(column(late, "train")))
        growth = last / gap(rows, method, 1)
        claims += [
            claim("missing", missing, method=NAMES[method]),
            claim("parting", growth, method=NAMES[method]),
        ]
    return claims


def draw(rows: Sequence[Row]) -> Figure:
    """Both estimates of both methods."""
    fig = figure(10, 4)
    for panel, method in zip(fig.subplots(1, 2), METHODS, strict=True):
        own = select(rows, method=method)
        for key, colour, line in (("train", BLUE, "-"), ("val", RED, "--")):
            panel.plot(
                column(own, "step"), column(own, key), line, color=colour, label=key
            )
        panel.set(xlabel="generator updates", ylabel="critic's estimate")
        panel.set_title(f"{NAMES[method]} on scikit-learn's digits")
        panel.legend()
    return fig
