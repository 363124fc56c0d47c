"""Networks are written with their recipes, and built from them again."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from lightning_modules import (
    ConvCritic,
    ConvGenerator,
    MLPCritic,
    MLPGenerator,
    ResNetCritic,
    ResNetGenerator,
)
from lightning_modules.core.recipe import (
    build,
    load_network,
    recipe_of,
    remembers,
    save_network,
)

ALL = [
    MLPGenerator(3, (1, 8, 8), hidden=(8,), output="tanh"),
    MLPCritic((1, 8, 8), hidden=(8, 4), norm="layer"),
    ConvGenerator(3, (3, 28, 28), width=4, norm="batch"),
    ConvCritic((3, 28, 28), width=4, norm="layer"),
    ResNetGenerator(3, (3, 32, 32), width=4),
    ResNetCritic((3, 32, 32), width=4, norm="layer"),
]


@pytest.mark.parametrize("network", ALL, ids=lambda n: type(n).__name__)
def test_a_network_survives_export_with_its_weights(
    network: nn.Module, tmp_path: Path
) -> None:
    path = save_network(network, tmp_path / "deep" / "net.safetensors")
    again = load_network(path)
    assert type(again) is type(network)
    assert not again.training
    assert recipe_of(again) == recipe_of(network)
    for key, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]


def test_a_recipe_is_json_and_builds_fresh_weights() -> None:
    recipe = recipe_of(ALL[0])
    assert recipe is not None
    assert json.loads(json.dumps(recipe)) == recipe
    assert recipe["init_args"]["hidden"] == [8]
    assert isinstance(build(recipe), MLPGenerator)


def test_loading_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    path = save_network(ALL[1], tmp_path / "net.safetensors")
    state = torch.get_rng_state()
    load_network(path)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "path",
    [
        "subprocess.Popen",
        "lightning_modules.core.recipe.import_module",
        "lightning_modules.networks.mlp.pairwise",
        "lightning_modules.networks.mlp.missing",
        "lightning_modules.generative.wgan.WGAN",
    ],
)
def test_only_our_own_networks_are_built_from_a_file(path: str) -> None:
    with pytest.raises(ValueError, match="not a network of"):
        build({"class_path": path, "init_args": {}})


def test_a_subclass_does_not_keep_its_parents_recipe() -> None:
    class Mine(MLPCritic):
        pass

    assert recipe_of(Mine((2,))) is None
    assert recipe_of(remembers(Mine)((2,))) is not None


def test_a_network_without_recipe_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="remembers"):
        save_network(nn.Linear(1, 1), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_bad_network_files_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no network file at"):
        load_network(tmp_path / "none.safetensors")
    whole = save_network(ALL[0], tmp_path / "net.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="valid safetensors file"):
        load_network(tmp_path / "cut.safetensors")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="holds no recipe"):
        load_network(tmp_path / "bare.safetensors")
