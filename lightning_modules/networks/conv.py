"""DCGAN-style generator and critic for square images of any size."""

from typing import Literal, cast

from torch import Tensor, nn

from lightning_modules.core.recipe import remembers
from lightning_modules.core.validation import check_at_least
from lightning_modules.functional.layered import scores_of_layers
from lightning_modules.networks.initialisation import (
    Initialisation,
    initialise,
)
from lightning_modules.networks.mlp import ACTIVATIONS, Norm


def sides(side: int, smallest: int) -> list[int]:
    """Sides of the feature maps from the image down, halved and rounded up.

    >>> sides(28, 4), sides(32, 4), sides(8, 2)
    ([28, 14, 7, 4], [32, 16, 8, 4], [8, 4, 2])
    """
    lengths = [side]
    while lengths[-1] > smallest:
        lengths.append((lengths[-1] + 1) // 2)
    if len(lengths) < 2:
        raise ValueError(
            f"An image of side {side} can't be halved down to {smallest}: use a "
            "larger image or a smaller smallest_side."
        )
    return lengths


def square(shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and side of a square image's shape (channels, side, side)."""
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(f"shape must be [channels, side, side], got {list(shape)}.")
    return shape[0], shape[1]


def norm_layer(norm: Norm, channels: int) -> list[nn.Module]:
    """Normalisation as a list of at most one layer; ``layer`` is GroupNorm(1, C).

    GroupNorm(1, C) normalises over channels and space with a scale per channel, which
    is what the WGAN-GP code calls layer norm.
    """
    if norm == "batch":
        return [nn.BatchNorm2d(channels)]
    return [nn.GroupNorm(1, channels)] if norm == "layer" else []


class _Upsample(nn.Module):
    """Upsampling to twice the side, cropped to the requested side (4 -> 8 -> 7)."""

    def __init__(self, wide: int, narrow: int, side: int, bias: bool) -> None:
        super().__init__()
        self.side = side
        self.conv = nn.ConvTranspose2d(
            wide, narrow, 5, stride=2, padding=2, output_padding=1, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(x))[..., : self.side, : self.side]


@remembers
class ConvGenerator(nn.Module):
    """Latents (n, latent_dim) to images (n, channels, side, side) in [-1, 1].

    Args:
        latent_dim: Dimension of the latents.
        shape: [channels, side, side]; 8, 28, 32 and any other side.
        width: Channels of the largest feature map; they double as the map halves.
        norm: ``batch`` as DCGAN, ``layer``, or ``none`` as the WGAN-GP code on MNIST.
        smallest_side: Side of the smallest feature map.
        init: Scheme of the initial weights.

    References:
        Radford et al. 2016, arXiv:1511.06434.

    >>> import torch
    >>> ConvGenerator(8, (1, 28, 28), width=4)(torch.zeros(2, 8)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        latent_dim: int,
        shape: tuple[int, int, int],
        width: int = 64,
        norm: Norm = "none",
        smallest_side: int = 4,
        init: Initialisation = "he",
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        check_at_least(
            1, latent_dim=latent_dim, width=width, smallest_side=smallest_side
        )
        channels, side = square(shape)
        path = sides(side, smallest_side)[::-1]
        wide = width * 2 ** (len(path) - 2)
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, wide * path[0] ** 2),
            nn.Unflatten(1, (wide, path[0], path[0])),
            *norm_layer(norm, wide),
            nn.ReLU(),
        ]
        for target in path[1:-1]:
            layers += [_Upsample(wide, wide // 2, target, bias=norm == "none")]
            layers += [*norm_layer(norm, wide // 2), nn.ReLU()]
            wide //= 2
        layers += [_Upsample(wide, channels, side, bias=True)]
        self.layers = nn.Sequential(*layers)
        initialise(self, init)
        self.layers.append(nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (n, latent_dim) to images."""
        return cast(Tensor, self.layers(latent))


@remembers
class ConvCritic(nn.Module):
    """Images (n, channels, side, side) to scores (n,); linear at its end.

    Args:
        shape: [channels, side, side].
        width: Channels of the first layer; they double as the feature map halves.
        norm: ``layer`` or ``none``; ``batch`` (DCGAN) not for WGAN-GP.
        activation: ``leaky_relu`` with slope 0.2, or ``relu``.
        smallest_side: Side of the smallest feature map.
        init: Scheme of the initial weights.

    References:
        Radford et al. 2016, arXiv:1511.06434.

    >>> import torch
    >>> ConvCritic((1, 28, 28), width=4)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 64,
        norm: Norm = "none",
        activation: Literal["leaky_relu", "relu"] = "leaky_relu",
        smallest_side: int = 4,
        init: Initialisation = "he",
    ) -> None:
        super().__init__()
        check_at_least(1, width=width, smallest_side=smallest_side)
        channels, side = square(shape)
        path = sides(side, smallest_side)
        layers: list[nn.Module] = []
        for depth in range(len(path) - 1):
            wide = width * 2**depth
            layers.append(nn.Conv2d(channels, wide, 5, stride=2, padding=2))
            # DCGAN has no norm after the first layer.
            layers += norm_layer(norm, wide) if depth else []
            layers.append(ACTIVATIONS[activation]())
            channels = wide
        layers += [nn.Flatten(), nn.Linear(channels * path[-1] ** 2, 1)]
        self.layers = nn.Sequential(*layers)
        initialise(self, init)

    @scores_of_layers
    def forward(self, x: Tensor) -> Tensor:
        """Map images to scores (n,)."""
        return cast(Tensor, self.layers(x)).squeeze(-1)
