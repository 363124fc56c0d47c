"""Initialisations of the papers."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

Initialisation = Literal["dcgan", "he", "default"]


def initialise(network: nn.Module, scheme: Initialisation, gain: float = 2.0) -> None:
    """Set the weights of every linear and convolution layer in place.

    ``dcgan`` draws N(0, 0.02^2) and norm scales N(1, 0.02^2) (arXiv:1511.06434);
    ``he`` draws uniformly with variance gain / fan_in (arXiv:1502.01852; the WGAN-GP
    code); ``default`` keeps what torch sets. Biases are 0 except under ``default``.
    """
    if scheme == "default":
        return
    weight = _dcgan if scheme == "dcgan" else _he(gain)
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            weight(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif scheme == "dcgan" and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def _dcgan(weight: Tensor) -> None:
    nn.init.normal_(weight, 0.0, 0.02)


def _he(gain: float) -> Callable[[Tensor], None]:
    def fill(weight: Tensor) -> None:
        fan_in = weight[0].numel()
        bound = (3 * gain / fan_in) ** 0.5
        nn.init.uniform_(weight, -bound, bound)

    return fill
