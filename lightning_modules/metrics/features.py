"""Frozen feature extractors for FID, KID and the Inception score."""

import copy
import os
from collections.abc import Callable
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from typing_extensions import override

from lightning_modules.core.recipe import load_network

USE_CLASSIFIER = (
    "or evaluate samples by a classifier of your own data, trained with "
    "configs/classifier/mnist.yaml"
)


class FrozenFeatures(nn.Module):
    """A trained network as the feature extractor of a metric.

    torchmetrics uses a feature extractor unchanged: it would be trained, switched to
    training mode, run in bfloat16 under autocast, and saved with the model. This
    wrapper owns a copy of the network that is always in eval mode, in float32, outside
    autocast and without gradients. The copy is hidden from ``parameters()`` and
    ``state_dict()``, so that no optimizer, average or checkpoint includes it;
    ``to(device)`` still moves it.

    Images are float in [-1, 1], the scale of the modules. Pass them unchanged to
    ``FrechetInceptionDistance(feature=FrozenFeatures(...))``: torchmetrics'
    ``normalize`` concerns only its built-in extractor.

    Args:
        network: Has ``features(x)`` to (n, d), ``head(features)`` to logits (n, k)
            and the integer ``num_features``.

    Attributes:
        num_features: d.

    Raises:
        ValueError: If the network lacks one of these.

    >>> from lightning_modules.networks.classifier import ConvClassifier
    >>> frozen = FrozenFeatures(ConvClassifier((1, 8, 8)))
    >>> frozen(torch.zeros(3, 1, 8, 8)).shape, list(frozen.parameters())
    (torch.Size([3, 64]), [])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        for name in ("features", "head", "num_features"):
            if not hasattr(network, name):
                raise ValueError(
                    f"{type(network).__name__} has no '{name}', so it can't be "
                    "used as a feature extractor: use ConvClassifier."
                )
        frozen = copy.deepcopy(network).float().eval().requires_grad_(False)
        self._hidden = (frozen,)  # a tuple hides a module from its parent
        self.num_features = cast(int, network.num_features)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """The extractor in a safetensors file that `save_network` wrote.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is not a file of a classifier.
        """
        return cls(load_network(path))

    @property
    def network(self) -> nn.Module:
        """The frozen copy."""
        return self._hidden[0]

    @override
    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode; ``mode`` is ignored."""
        return super().train(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.network._apply(fn, recurse).float()  # type: ignore[no-untyped-call]
        return self

    @torch.no_grad()
    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, c, h, w) in [-1, 1] to features (n, d) and logits (n, k)."""
        with torch.autocast(x.device.type, enabled=False):
            features = cast(Any, self.network).features(x.float())
            return features, cast(Any, self.network).head(features)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) in [-1, 1] to features (n, d), float32."""
        return self.features_and_logits(x)[0]


class Inception(nn.Module):
    """The Inception network of published FIDs, on images in [-1, 1].

    Grey images are repeated to three channels; all are resized to 299x299 as in
    torch-fidelity. Features are the 2048 of the last pooling, logits the unbiased ones
    that the Inception score uses.

    Args:
        weights: File of torch-fidelity's weights; None downloads them (95 MB).

    Raises:
        ValueError: If the package or the weights are not available.

    References:
        arXiv:1706.08500 (FID), arXiv:1606.03498 (Inception score).
    """

    num_features = 2048

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.net = _inception(weights)

    def features(self, x: Tensor) -> Tensor:
        """Images (n, 1 or 3, h, w) in [-1, 1] to features (n, 2048)."""
        pixels = ((x + 1) * 127.5).round().clamp(0, 255).byte()
        return cast(Tensor, self.net(pixels.expand(-1, 3, -1, -1)))

    def head(self, features: Tensor) -> Tensor:
        """Features (n, 2048) to the 1008 logits without bias."""
        return features @ cast(Tensor, cast(Any, self.net).fc.weight).T


def _inception(weights: str | None) -> nn.Module:
    from torchmetrics.image.fid import NoTrainInceptionV3

    try:
        return NoTrainInceptionV3("inception-v3-compat", ["2048"], weights)
    except ModuleNotFoundError:
        raise ValueError(
            "Inception features need torch-fidelity: install the extra with "
            f"`pip install 'wasserstein-critics[fid]'`, {USE_CLASSIFIER}."
        ) from None
    except OSError as error:
        raise ValueError(
            f"Inception's weights are not available ({error}): put torch-fidelity's "
            f"weights-inception-2015-12-05-6726825d.pth on this machine and name it in "
            f"inception_weights, {USE_CLASSIFIER}."
        ) from None


class Precomputed(nn.Module):
    """Identity extractor for torchmetrics, on precomputed features.

    FID, KID and IS then share one pass through one network.

    Args:
        num_features: Features per row.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor) -> Tensor:
        """The features themselves."""
        return x


class ClassShares(Metric):
    """Share of samples that a classifier predicts for each class.

    A generator that does not cover a class has a share near 0 there.

    Args:
        n_classes: Number of classes.
        kwargs: See torchmetrics.Metric.

    >>> metric = ClassShares(2)
    >>> metric.update(torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [1.0, 0.0]]))
    >>> metric.compute()
    tensor([0.7500, 0.2500])
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update: bool = False

    counts: Tensor

    def __init__(self, n_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("counts", torch.zeros(n_classes).long(), dist_reduce_fx="sum")

    def update(self, logits: Tensor) -> None:
        """Count the predicted class of each row of logits (n, n_classes)."""
        classes = logits.argmax(dim=1)
        self.counts += torch.bincount(classes, minlength=len(self.counts))

    def compute(self) -> Tensor:
        """Shares (n_classes,), which sum to 1."""
        if self.counts.sum() == 0:
            raise ValueError("ClassShares has seen no samples: call update first.")
        return self.counts / self.counts.sum()
