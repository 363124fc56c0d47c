"""Networks of torchvision and timm as extractors, with local weights."""

import difflib
import pickle
import re
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

from lightning_modules.core.recipe import remembers

_DAMAGE = (
    *(SafetensorError, RuntimeError, pickle.UnpicklingError),
    *(EOFError, TypeError, ValueError),
)
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])(?=\.)")
_COUNTER = "num_batches_tracked"  # which files from before 2018 lack
_HEADS = ("fc", "classifier", "heads", "head")


@remembers
class Backbone(nn.Module):
    """Images (n, 3, h, w) to features (n, num_features) of a published network.

    The last layer, which classifies, is removed. Nothing is downloaded: weights come
    from a file, such as those that torchvision and timm keep in their caches, and
    without one they are random. Keep the file: it is read again when the network is
    built from a config or a checkpoint.

    Args:
        name: Name in the library, such as ``resnet18`` or ``vit_tiny_patch16_224``.
        library: ``torchvision``, or ``timm`` (``pip install timm``).
        weights: File of the state dict, ``.pth`` or ``.safetensors``; only tensors are
            unpickled.
        image_size: Height and width of the images.

    Attributes:
        num_features: Width of the features.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If timm is not installed.
        ValueError: If the library has no such network, or the weights are of another.

    >>> Backbone("mnasnet0_5", image_size=64)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1280])
    """

    def __init__(
        self,
        name: str = "resnet18",
        library: Literal["torchvision", "timm"] = "torchvision",
        weights: str | None = None,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        build = _torchvision if library == "torchvision" else _timm
        self.network = build(name, image_size)
        self.shape = (3, image_size, image_size)
        if weights is not None:
            _load(self.network, Path(weights), name)
        self.network.eval()
        with torch.no_grad():
            features = self(torch.zeros(1, *self.shape))
        self.network.train()
        self.num_features: int = features.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, 3, h, w) to features (n, num_features)."""
        features = cast(Tensor, self.network(x))
        # feature maps are averaged over positions
        return features.mean((2, 3)) if features.ndim == 4 else features.flatten(1)


def _torchvision(name: str, image_size: int) -> nn.Module:
    names = models.list_models(module=models)
    if name not in names:
        raise ValueError(_unknown("torchvision", name, names))
    options: dict[str, Any] = {}
    if name.startswith("vit"):
        options = {"image_size": image_size}
    elif name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": True}
    network: nn.Module = models.get_model(name, weights=None, **options)
    head = next(head for head in _HEADS if hasattr(network, head))
    setattr(network, head, _without_classifier(getattr(network, head)))
    return network


def _without_classifier(head: nn.Module) -> nn.Module:
    """Layers of a head before the classifying one and its dropout."""
    layers = list(head) if isinstance(head, nn.Sequential) else [head]
    if not isinstance(layers[-1], nn.Linear):  # squeezenet ends in a pooling layer
        return nn.AdaptiveAvgPool2d(1)
    del layers[-1]
    while layers and isinstance(layers[-1], nn.Dropout):
        del layers[-1]
    return nn.Sequential(*layers)


def _timm(name: str, image_size: int) -> nn.Module:
    try:
        import timm
    except ImportError:
        raise ImportError(
            "model.extractor.library is timm, which is not installed: pip install timm."
        ) from None
    if not timm.is_model(name):
        raise ValueError(_unknown("timm", name, timm.list_models()))
    sized: dict[str, Any] = {"img_size": image_size} if "patch" in name else {}
    return timm.create_model(name, num_classes=0, **sized)


def _unknown(library: str, name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 3)
    hint = f"did you mean {' or '.join(near)}" if near else "see its list of models"
    return f"model.extractor.name: {library} has no network '{name}': {hint}?"


def _load(network: nn.Module, path: Path, name: str) -> None:
    """Load the weights of a file, except those of the head."""
    if not path.is_file():
        raise FileNotFoundError(
            f"model.extractor.weights: there is no file '{path}': name one with the "
            f"weights of {name}, or leave it out for random ones."
        )
    try:
        saved: dict[str, Any] = (
            load_file(path)
            if path.suffix == ".safetensors"
            else dict(torch.load(path, map_location="cpu", weights_only=True))
        )
    except _DAMAGE as error:
        raise ValueError(
            f"model.extractor.weights: '{path}' is not a valid state dict, or is cut "
            "off: download it again."
        ) from error
    saved = {_OLD_DENSENET.sub(r"\1\2", key): value for key, value in saved.items()}
    own = network.state_dict()
    missing = [
        key
        for key, value in own.items()
        if getattr(saved.get(key), "shape", None) != value.shape
        and not (key.endswith(_COUNTER) and key not in saved)
    ]
    if missing:
        n = len(missing)
        raise ValueError(
            f"model.extractor.weights: '{path}' lacks {n} tensors of {name}, such as "
            f"{missing[0]}: name a file with the weights of {name}."
        )
    network.load_state_dict({key: saved.get(key, own[key]) for key in own})
