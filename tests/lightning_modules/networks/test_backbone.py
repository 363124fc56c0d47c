"""Networks of torchvision and timm as extractors."""

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from lightning_modules import WDGRL, LinearClassifier, MLPCritic
from lightning_modules.core.recipe import build, recipe_of
from lightning_modules.networks import Backbone

SIZE = 64


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = models.resnet18(weights=None)
    return network.eval()


def before_the_head(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    handle = network.fc.register_forward_pre_hook(lambda _, args: seen.append(args[0]))  # type: ignore[union-attr]
    network(x)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_features_are_what_the_networks_own_head_sees(
    resnet: nn.Module, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"weights.{ending}"
    state = resnet.state_dict()
    save_file(state, path) if ending == "safetensors" else torch.save(state, path)
    backbone = Backbone("resnet18", weights=str(path), image_size=SIZE).eval()
    x = torch.randn(2, 3, SIZE, SIZE)
    assert torch.equal(backbone(x), before_the_head(resnet, x))
    assert backbone.num_features == 512


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *[("googlenet", 1024), ("vit_b_32", 768), ("densenet121", 1024)],
        *[("squeezenet1_1", 512), ("alexnet", 4096), ("convnext_tiny", 768)],
        *[("mobilenet_v3_small", 1024), ("swin_t", 768)],
    ],
)
def test_heads_of_every_name_are_taken_off(name: str, width: int) -> None:
    backbone = Backbone(name, image_size=SIZE)
    assert backbone.num_features == width
    assert backbone(torch.randn(2, 3, SIZE, SIZE)).shape == (2, width)
    assert backbone.training


def test_measuring_its_width_leaves_the_statistics_alone() -> None:
    backbone = Backbone("resnet18", image_size=SIZE)
    means = [b for n, b in backbone.named_buffers() if "running_mean" in n]
    assert means
    assert all((mean == 0).all() for mean in means)


def test_it_is_an_extractor_that_a_recipe_builds_again() -> None:
    backbone = Backbone("mnasnet0_5", image_size=SIZE)
    width = backbone.num_features
    critic = MLPCritic((width,), (4,))
    WDGRL(backbone, LinearClassifier(width, 3), critic, 3)
    recipe = recipe_of(backbone)
    assert recipe is not None
    again = build(recipe)
    again.load_state_dict(backbone.state_dict())
    x = torch.randn(1, 3, SIZE, SIZE)
    assert torch.equal(again.eval()(x), backbone.eval()(x))


def test_an_unknown_name_is_answered_by_near_ones() -> None:
    with pytest.raises(ValueError, match="no network 'resnet19': did you mean resnet1"):
        Backbone("resnet19")


def test_wrong_files_end_in_one_sentence(resnet: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with pytest.raises(FileNotFoundError, match="weights: there is no file"):
        Backbone("resnet18", weights=str(path))
    path.write_bytes(b"PK\3\4 cut off")
    with pytest.raises(ValueError, match="is not a valid state dict, or is cut off"):
        Backbone("resnet18", weights=str(path))
    torch.save(resnet.state_dict(), path)
    with pytest.raises(ValueError, match=r"lacks .* name a file with the weights of"):
        Backbone("resnet34", weights=str(path), image_size=SIZE)


def test_networks_of_timm_play_too() -> None:
    backbone = Backbone("mobilenetv3_small_050", library="timm", image_size=SIZE)
    assert backbone(torch.randn(2, 3, SIZE, SIZE)).shape == (2, backbone.num_features)
    with pytest.raises(ValueError, match="timm has no network 'mobilenetv3_smal_050'"):
        Backbone("mobilenetv3_smal_050", library="timm")


def test_without_timm_a_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm"):
        Backbone("resnet18", library="timm")


def test_weights_of_old_files_are_taken(tmp_path: Path) -> None:
    """From before batches were counted, and with DenseNet's old names."""
    network = Backbone("densenet121", image_size=SIZE)
    state = {f"{key}": value for key, value in network.network.state_dict().items()}
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    weights = str(tmp_path / "old.pth")
    again = Backbone("densenet121", weights=weights, image_size=SIZE)
    x = torch.randn(1, 3, SIZE, SIZE)
    assert torch.equal(again.eval()(x), network.eval()(x))
