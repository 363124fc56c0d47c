"""GAN, WGAN and WGAN-GP of the benchmarks: networks, data and our modules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from datamodules.core.in_memory import InMemoryDataModule, Splits
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules import (
    GAN,
    WGAN,
    WGANGP,
    ConvCritic,
    ConvGenerator,
    MLPCritic,
    MLPGenerator,
)
from lightning_modules.generative.base import GenerativeModule

Method = Literal["gan", "wgan", "wgan_gp"]


@dataclass(frozen=True)
class Pair:
    """Two networks and the batch that they are trained on."""

    shape: tuple[int, ...]
    batch: int
    networks: Callable[[], tuple[nn.Module, nn.Module]]
    described: str


def _points() -> tuple[nn.Module, nn.Module]:
    wide = (512, 512, 512)
    return MLPGenerator(2, (2,), wide), MLPCritic((2,), wide)


def _convolutions(side: int, width: int) -> tuple[nn.Module, nn.Module]:
    options: dict[str, Any] = {"shape": (1, side, side), "width": width, "norm": "none"}
    return ConvGenerator(64, **options), ConvCritic(**options)


PAIRS = {
    "points": Pair((2,), 256, _points, "25 Gaussians, multilayer perceptrons 3 x 512"),
    "digits": Pair(
        (1, 8, 8), 64, lambda: _convolutions(8, 32), "8 x 8, convolutions of width 32"
    ),
    "mnist": Pair(
        (1, 28, 28), 64, lambda: _convolutions(28, 16), "28 x 28, width 16, no norm"
    ),
    "mnist-64": Pair(
        (1, 28, 28), 64, lambda: _convolutions(28, 64), "28 x 28, width 64, no norm"
    ),
}
N_CRITIC = {"gan": 1, "wgan": 5, "wgan_gp": 5}
ROWS = 8192


class RandomRows(InMemoryDataModule):
    """Rows of normal noise, float32: only the time matters."""

    def __init__(self, shape: tuple[int, ...], batch_size: int) -> None:
        super().__init__(batch_size)
        self.shape = shape

    def read(self) -> Splits:
        """The same rows for every part."""
        x = torch.randn(ROWS, *self.shape, generator=torch.Generator().manual_seed(0))
        rows = LabelledRows(x.clamp(-1, 1), torch.zeros(ROWS, dtype=torch.int64))
        return rows, rows, rows


def module(method: Method, pair: Pair) -> GenerativeModule:
    """Our module with its own optimizers."""
    torch.manual_seed(0)
    generator, critic = pair.networks()
    if method == "gan":
        return GAN(generator, critic)
    return (WGAN if method == "wgan" else WGANGP)(generator, critic)
