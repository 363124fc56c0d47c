"""Initialisations of the papers."""

from typing import Literal

from torch import nn

Initialisation = Literal["dcgan", "he", "default"]


def initialise(network: nn.Module, scheme: Initialisation, gain: float = 2.0) -> None:
    """Set the weights of every linear and convolution layer in place.

    ``dcgan`` draws N(0, 0.02^2) and norm scales N(1, 0.02^2) (arXiv:1511.06434);
    ``he`` draws uniformly with variance gain / fan_in (arXiv:1502.01852), where 2 keeps
    the second moment through a ReLU; ``default`` keeps what torch sets. Biases are 0
    except under ``default``.
    """
    if scheme == "default":
        return
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if scheme == "dcgan":
                nn.init.normal_(module.weight, 0.0, 0.02)
            else:
                bound = (3 * gain / fan_in(module)) ** 0.5
                nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif scheme == "dcgan" and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def fan_in(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> float:
    """How many inputs reach one output.

    A transposed convolution keeps its weight as (in, out, k, k), and with a stride of 2
    an output pixel meets only a quarter of the kernel.

    >>> fan_in(nn.Conv2d(3, 8, 5)), fan_in(nn.ConvTranspose2d(8, 3, 4, stride=2))
    (75.0, 32.0)
    """
    if isinstance(layer, nn.ConvTranspose2d):
        spread = layer.stride[0] * layer.stride[1]
        return layer.weight.shape[0] * layer.weight[0, 0].numel() / spread
    return float(layer.weight[0].numel())


def check_sizes(**sizes: int) -> None:
    """Refuse widths below 1 by their name (ValueError)."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}.")
