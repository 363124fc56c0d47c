"""Residual generator and critic of WGAN-GP (arXiv:1704.00028, appendix F)."""

from typing import cast

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from lightning_modules.core.recipe import remembers
from lightning_modules.networks.conv import norm_layer, square
from lightning_modules.networks.initialisation import check_sizes, initialise
from lightning_modules.networks.mlp import Norm


class _UpBlock(nn.Module):
    """Pre-activation residual block that doubles the side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        # A 1x1 convolution commutes with nearest upsampling and is cheaper before it.
        skip = interpolate(self.shortcut(x), scale_factor=2)
        residual = self.second(interpolate(self.first(x), scale_factor=2))
        return cast(Tensor, skip + residual)


class _CriticBlock(nn.Module):
    """Residual block of the critic; ``first`` for the one on the image itself."""

    def __init__(
        self, channels: int, width: int, norm: Norm, *, down: bool, first: bool
    ) -> None:
        super().__init__()
        self.down = down
        before = [] if first else [*norm_layer(norm, channels), nn.ReLU()]
        between = [] if first else norm_layer(norm, width)
        self.residual = nn.Sequential(
            *before,
            nn.Conv2d(channels, width, 3, padding=1),
            *between,
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(channels, width, 1) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        residual = cast(Tensor, self.residual(x))
        if not self.down:
            return x + residual
        # A 1x1 convolution commutes with mean pooling and is cheaper after it.
        return cast(Tensor, self.shortcut(avg_pool2d(x, 2))) + avg_pool2d(residual, 2)


@remembers
class ResNetGenerator(nn.Module):
    """Latents (n, latent_dim) to images (n, channels, side, side) in [-1, 1].

    Linear to 4x4, residual blocks that double the side, BatchNorm, tanh.

    Args:
        latent_dim: Dimension of the latents.
        shape: [channels, side, side] with a side of 8, 16, 32, 64, ...
        width: Channels of every feature map.

    >>> import torch
    >>> ResNetGenerator(8, (3, 32, 32), width=4)(torch.zeros(2, 8)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        latent_dim: int = 128,
        shape: tuple[int, int, int] = (3, 32, 32),
        width: int = 128,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        check_sizes(latent_dim=latent_dim, width=width)
        channels, side = square(shape)
        doublings = side.bit_length() - 3
        if doublings < 1 or 4 * 2**doublings != side:
            raise ValueError(
                f"ResNetGenerator needs a side of 8, 16, 32, ..., got {side}."
            )
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, width * 16),
            nn.Unflatten(1, (width, 4, 4)),
            *[_UpBlock(width) for _ in range(doublings)],
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, channels, 3, padding=1),
        )
        _initialise(self)
        self.layers.append(nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (n, latent_dim) to images."""
        return cast(Tensor, self.layers(latent))


@remembers
class ResNetCritic(nn.Module):
    """Images (n, channels, side, side) to scores (n,).

    Two residual blocks that halve the side, two that keep it, ReLU, mean over space,
    linear.

    Args:
        shape: [channels, side, side] with a side divisible by 4.
        width: Channels of every feature map.
        norm: ``layer`` or ``none``; the paper's CIFAR-10 critic has none.

    >>> import torch
    >>> ResNetCritic((3, 32, 32), width=4)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        shape: tuple[int, int, int] = (3, 32, 32),
        width: int = 128,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        check_sizes(width=width)
        channels, side = square(shape)
        if side % 4:
            raise ValueError(f"ResNetCritic needs a side divisible by 4, got {side}.")
        self.blocks = nn.Sequential(
            _CriticBlock(channels, width, norm, down=True, first=True),
            _CriticBlock(width, width, norm, down=True, first=False),
            _CriticBlock(width, width, norm, down=False, first=False),
            _CriticBlock(width, width, norm, down=False, first=False),
            nn.ReLU(),
        )
        self.score = nn.Linear(width, 1)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to scores (n,)."""
        features = cast(Tensor, self.blocks(x)).mean((2, 3))
        return cast(Tensor, self.score(features)).squeeze(-1)


def _initialise(network: nn.Module) -> None:
    """He initialisation; gain 1 for shortcuts, linear layers and the last layer."""
    initialise(network, "he")
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for name, module in network.named_modules():
        shortcut = name.endswith("shortcut")
        last = isinstance(network, ResNetGenerator) and module is convolutions[-1]
        if shortcut or last or isinstance(module, nn.Linear):
            initialise(module, "he", gain=1.0)
