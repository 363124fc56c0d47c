"""Initial weights as in the papers."""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.data_contracts.sparse_rows import Rows

Initialisation = Literal["dcgan", "he", "truncated", "default"]


class RowLinear(nn.Module):
    """A linear layer on dense samples (n, ...) or `SparseRows`.

    Its weight is stored as (n_in, n_out), so that a sparse row indexes whole rows.

    Args:
        n_in: Width of a flattened sample.
        n_out: Width of the output.

    Raises:
        ValueError: If samples have another width.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        bound = n_in**-0.5  # as in nn.Linear
        self.weight = nn.Parameter(torch.empty(n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_out).uniform_(-bound, bound))

    def forward(self, x: Rows) -> Tensor:
        """Map samples (n, n_in) to (n, n_out)."""
        rows = x.flatten(1) if isinstance(x, Tensor) else x
        if rows.shape[1] != len(self.weight):
            raise ValueError(
                f"Samples of {rows.shape[1]} numbers don't fit a layer for "
                f"{len(self.weight)}: set the shape of the network to theirs."
            )
        if isinstance(rows, Tensor):
            return torch.addmm(self.bias, rows, self.weight)
        return rows.times(self.weight) + self.bias


Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d | RowLinear


def initialise(network: nn.Module, scheme: Initialisation, gain: float = 2.0) -> None:
    """Set the weights of every linear and convolution layer in place.

    ``dcgan`` draws N(0, 0.02^2) and norm scales N(1, 0.02^2) (arXiv:1511.06434);
    ``he`` draws uniformly with variance gain / fan_in (arXiv:1502.01852), where 2 keeps
    the second moment through a ReLU; ``truncated`` draws normally with that variance,
    cut off at two standard deviations, with biases of 0.1, as the authors of WDGRL do;
    ``default`` keeps torch's initialisation. Biases are 0 but for the last two.
    """
    if scheme == "default":
        return
    for module in network.modules():
        if isinstance(module, Layer):
            _fill(module.weight, scheme, gain / fan_in(module))
            if module.bias is not None:
                nn.init.constant_(module.bias, 0.1 if scheme == "truncated" else 0.0)
        elif scheme == "dcgan" and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


def _fill(weight: Tensor, scheme: Initialisation, variance: float) -> None:
    deviation = variance**0.5
    if scheme == "dcgan":
        nn.init.normal_(weight, 0.0, 0.02)
    elif scheme == "truncated":
        nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation)
    else:
        bound = (3 * variance) ** 0.5
        nn.init.uniform_(weight, -bound, bound)


def fan_in(layer: Layer) -> float:
    """Number of inputs of one output.

    A transposed convolution stores its weight as (in, out, k, k), and with a stride of
    2 an output pixel uses only a quarter of the kernel.

    >>> fan_in(nn.Conv2d(3, 8, 5)), fan_in(nn.ConvTranspose2d(8, 3, 4, stride=2))
    (75.0, 32.0)
    """
    if isinstance(layer, RowLinear):
        return float(len(layer.weight))
    if isinstance(layer, nn.ConvTranspose2d):
        spread = layer.stride[0] * layer.stride[1]
        return layer.weight.shape[0] * layer.weight[0, 0].numel() / spread
    return float(layer.weight[0].numel())
