"""Extractors and classifiers of domain adaptation."""

import math
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from lightning_modules.core.recipe import remembers
from lightning_modules.core.validation import check_at_least, check_share
from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.networks.initialisation import (
    Initialisation,
    RowLinear,
    initialise,
)
from lightning_modules.networks.mlp import ACTIVATIONS, Activation


@remembers
class MLPExtractor(nn.Module):
    """Samples (n, *shape) or sparse rows to features (n, hidden[-1]).

    Every layer is followed by the activation, the last one as well. On sparse rows the
    cost of the first layer grows with their entries, not their width.

    Args:
        shape: Shape of one sample, such as [5000].
        hidden: Widths of the layers; the last is that of the features.
        activation: Nonlinearity of every layer.
        dropout: Share of every layer's values that training sets to 0.
        init: Scheme of the initial weights.

    >>> import torch
    >>> from lightning_modules.data_contracts.sparse_rows import SparseRows
    >>> extractor, x = MLPExtractor((4,), (3,)), torch.eye(4)
    >>> sparse = SparseRows.from_dense(x)
    >>> torch.allclose(extractor(sparse), extractor(x))
    True
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: tuple[int, ...] = (500,),
        activation: Activation = "relu",
        dropout: float = 0.0,
        init: Initialisation = "truncated",
    ) -> None:
        super().__init__()
        check_share(dropout=dropout)
        if not hidden:
            raise ValueError("hidden must have at least one width.")
        check_at_least(1, "", **{f"hidden ({size})": size for size in hidden})
        self.shape = tuple(shape)
        self.num_features = hidden[-1]
        self.first = RowLinear(math.prod(shape), hidden[0])
        layers = _activated(activation, dropout)
        for wide, narrow in pairwise(hidden):
            layers += [nn.Linear(wide, narrow), *_activated(activation, dropout)]
        self.rest = nn.Sequential(*layers)
        initialise(self, init)

    def forward(self, x: Rows) -> Tensor:
        """Map samples (n, *shape) to features (n, num_features)."""
        return cast(Tensor, self.rest(self.first(x)))


def _activated(activation: Activation, dropout: float) -> list[nn.Module]:
    layer = ACTIVATIONS[activation]()
    return [layer, nn.Dropout(dropout)] if dropout else [layer]


@remembers
class ConvExtractor(nn.Module):
    """Images (n, c, h, w) to features (n, num_features) by two convolutions.

    Convolutions of 5x5, each followed by 2x2 pooling, then a hidden layer; ReLU
    throughout. The network of the WDGRL authors' digits.

    Args:
        shape: Channels, height and width, these at least 4.
        channels: Output channels of the two convolutions.
        num_features: Width of the hidden layer.
        dropout: Share of the features that training sets to 0.
        init: Scheme of the initial weights.

    >>> import torch
    >>> ConvExtractor((1, 16, 16))(torch.zeros(3, 1, 16, 16)).shape
    torch.Size([3, 1024])
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        channels: tuple[int, int] = (32, 64),
        num_features: int = 1024,
        dropout: float = 0.0,
        init: Initialisation = "truncated",
    ) -> None:
        super().__init__()
        check_share(dropout=dropout)
        if min(shape[1:]) < 4:
            raise ValueError(f"shape must be at least (c, 4, 4), got {tuple(shape)}.")
        check_at_least(1, channels=min(channels), num_features=num_features)
        self.shape, self.num_features = tuple(shape), num_features
        blocks = [
            layer
            for wide, narrow in pairwise((shape[0], *channels))
            for layer in (
                nn.Conv2d(wide, narrow, 5, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(2),
            )
        ]
        flat = channels[1] * (shape[1] // 4) * (shape[2] // 4)
        hidden = [nn.Flatten(), nn.Linear(flat, num_features)]
        self.layers = nn.Sequential(*blocks, *hidden, *_activated("relu", dropout))
        initialise(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, c, h, w) to features (n, num_features)."""
        return cast(Tensor, self.layers(x))


@remembers
class LinearClassifier(nn.Module):
    """Features (n, n_features) to logits (n, n_classes): one layer.

    Args:
        n_features: Width of the features.
        n_classes: Number of classes.
        init: Scheme of the initial weights.

    >>> import torch
    >>> LinearClassifier(20, 3)(torch.zeros(5, 20)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self, n_features: int, n_classes: int, init: Initialisation = "truncated"
    ) -> None:
        super().__init__()
        check_at_least(1, n_features=n_features, n_classes=n_classes)
        self.layer = nn.Linear(n_features, n_classes)
        initialise(self, init)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (n, n_features) to logits (n, n_classes)."""
        return cast(Tensor, self.layer(features))
