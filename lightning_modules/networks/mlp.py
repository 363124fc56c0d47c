"""Multilayer perceptrons for points and small images."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, cast

from torch import Tensor, nn

from lightning_modules.core.recipe import remembers
from lightning_modules.core.validation import check_at_least
from lightning_modules.functional.layered import scores_of_layers
from lightning_modules.networks.initialisation import (
    Initialisation,
    initialise,
)

Activation = Literal["relu", "leaky_relu", "tanh", "softplus", "elu"]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "elu": nn.ELU,
}
Norm = Literal["none", "batch", "layer"]


def _layers(
    sizes: Sequence[int], activation: Activation, norm: Norm = "none"
) -> list[nn.Module]:
    check_at_least(1, "", **{"a layer's width (shape, hidden)": min(sizes)})
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes[:-1]):
        layers.append(nn.Linear(wide, narrow))
        if norm == "batch":
            layers.append(nn.BatchNorm1d(narrow))
        elif norm == "layer":
            layers.append(nn.LayerNorm(narrow))
        layers.append(ACTIVATIONS[activation]())
    return [*layers, nn.Linear(sizes[-2], sizes[-1])]


@remembers
class MLPGenerator(nn.Module):
    """Latents (n, latent_dim) to samples (n, *shape) through hidden layers.

    Args:
        latent_dim: Dimension of the latents.
        shape: Shape of one sample, such as [2] or [1, 8, 8].
        hidden: Widths of the hidden layers, any number of them.
        activation: Nonlinearity of the hidden layers.
        norm: Normalisation of the hidden layers.
        output: ``tanh`` keeps samples in [-1, 1], for images.
        init: Scheme of the initial weights.

    >>> import torch
    >>> MLPGenerator(8, (1, 4, 4), hidden=(16,))(torch.zeros(3, 8)).shape
    torch.Size([3, 1, 4, 4])
    """

    def __init__(
        self,
        latent_dim: int,
        shape: tuple[int, ...],
        hidden: tuple[int, ...] = (512, 512, 512),
        activation: Activation = "relu",
        norm: Norm = "none",
        output: Literal["linear", "tanh"] = "linear",
        init: Initialisation = "he",
    ) -> None:
        super().__init__()
        check_at_least(1, latent_dim=latent_dim)
        self.latent_dim = latent_dim
        self.shape = tuple(shape)
        layers = _layers([latent_dim, *hidden, math.prod(shape)], activation, norm)
        self.layers = nn.Sequential(*layers)
        initialise(self, init)
        if output == "tanh":
            self.layers.append(nn.Tanh())

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (n, latent_dim) to samples (n, *shape)."""
        return cast(Tensor, self.layers(latent)).reshape(-1, *self.shape)


@remembers
class MLPCritic(nn.Module):
    """Samples (n, *shape) to scores (n,) through hidden layers; linear at its end.

    Args:
        shape: Shape of one sample, such as [2] or [1, 8, 8].
        hidden: Widths of the hidden layers, any number of them.
        activation: Nonlinearity of the hidden layers.
        norm: Normalisation of the hidden layers; ``batch`` not for WGAN-GP.
        init: Scheme of the initial weights.

    >>> import torch
    >>> MLPCritic((2,), hidden=(16, 16))(torch.zeros(3, 2)).shape
    torch.Size([3])
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: tuple[int, ...] = (512, 512, 512),
        activation: Activation = "relu",
        norm: Norm = "none",
        init: Initialisation = "he",
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        layers = _layers([math.prod(shape), *hidden, 1], activation, norm)
        self.layers = nn.Sequential(nn.Flatten(), *layers)
        initialise(self, init)

    @scores_of_layers
    def forward(self, x: Tensor) -> Tensor:
        """Map samples (n, *shape) to scores (n,)."""
        return cast(Tensor, self.layers(x)).squeeze(-1)


@remembers
class MLPClassifier(nn.Module):
    """Features (n, n_features) to logits (n, n_classes): hidden layers, then one more.

    Every row of features is brought to mean 0 and variance 1 first (layer
    normalisation), so that an extractor can't gain by making them larger.

    Args:
        n_features: Width of the features, at least 2.
        n_classes: Number of classes.
        hidden: Widths of the layers between, each followed by a ReLU.
        init: Scheme of the initial weights. Small ones matter to MDD: with those of
            ``truncated`` it was worse than source only.

    >>> import torch
    >>> classifier, x = MLPClassifier(20, 3), torch.randn(5, 20)
    >>> torch.allclose(classifier(x), classifier(100 * x), atol=1e-3)
    True
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden: tuple[int, ...] = (128,),
        init: Initialisation = "default",
    ) -> None:
        super().__init__()
        check_at_least(2, n_features=n_features)
        check_at_least(1, n_classes=n_classes)
        check_at_least(1, "", **{f"hidden ({size})": size for size in hidden})
        layers = _layers([n_features, *hidden, n_classes], "relu")
        self.layers = nn.Sequential(nn.LayerNorm(n_features), *layers)
        initialise(self, init)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (n, n_features) to logits (n, n_classes)."""
        return cast(Tensor, self.layers(features))
