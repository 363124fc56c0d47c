"""Shapes, initialisations and recipes of the networks."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
from lightning_modules.networks.mlp import ACTIVATIONS

ALL = [
    MLPGenerator(3, (1, 8, 8), hidden=(8,), output="tanh"),
    MLPCritic((1, 8, 8), hidden=(8, 4), norm="layer"),
    ConvGenerator(3, (3, 28, 28), width=4, norm="batch"),
    ConvCritic((3, 28, 28), width=4, norm="layer"),
    ResNetGenerator(3, (3, 32, 32), width=4),
    ResNetCritic((3, 32, 32), width=4, norm="layer"),
]


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 65), st.integers(1, 3))
def test_the_conv_pair_takes_pictures_of_any_side(side: int, channels: int) -> None:
    shape = (channels, side, side)
    pictures = ConvGenerator(3, shape, width=2)(torch.randn(2, 3))
    assert pictures.shape == (2, *shape)
    assert pictures.abs().max() <= 1
    assert ConvCritic(shape, width=2)(pictures).shape == (2,)


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_the_residual_pair_takes_powers_of_two(side: int) -> None:
    pictures = ResNetGenerator(3, (3, side, side), width=4)(torch.randn(2, 3))
    assert pictures.shape == (2, 3, side, side)
    assert ResNetCritic((3, side, side), width=4)(pictures).shape == (2,)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_mlps_of_every_kind_map_shapes_as_they_say(activation: str, norm: str) -> None:
    options = {"hidden": (7, 5), "activation": activation, "norm": norm}
    samples = MLPGenerator(3, (2, 4), **options)(torch.randn(6, 3))  # type: ignore[arg-type]
    assert samples.shape == (6, 2, 4)
    assert MLPCritic((2, 4), **options)(samples).shape == (6,)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConvGenerator(3, (1, 28, 32)),
        lambda: ConvCritic((28, 28)),  # type: ignore[arg-type]
        lambda: ConvCritic((1, 4, 4)),
        lambda: ResNetGenerator(3, (3, 28, 28)),
        lambda: ResNetCritic((3, 30, 30)),
        lambda: ConvGenerator(3, (1, 28, 28), smallest_side=0),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"side|shape"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: MLPGenerator(0, (2,)),
        lambda: MLPCritic((2,), hidden=(8, 0)),
        lambda: ConvGenerator(0, (1, 28, 28)),
        lambda: ConvCritic((1, 28, 28), width=0),
        lambda: ResNetGenerator(width=0),
        lambda: ResNetCritic(width=-1),
    ],
)
def test_widths_below_one_are_refused(make: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        make()


def test_layer_norm_of_the_critic_has_one_scale_per_channel_and_mixes_no_samples() -> (
    None
):
    critic = ConvCritic((1, 28, 28), width=4, norm="layer")
    (norm, *_) = [m for m in critic.modules() if isinstance(m, nn.GroupNorm)]
    assert (norm.num_groups, norm.weight.shape) == (1, (8,))
    x = torch.randn(4, 1, 28, 28)
    torch.testing.assert_close(critic(x)[:1], critic(x[:1]))


def test_he_initialisation_keeps_the_second_moment_through_relu_layers() -> None:
    torch.manual_seed(0)
    net = MLPGenerator(64, (4,), hidden=(2000, 2000))
    with torch.no_grad():
        x = net.layers[:2](torch.randn(500, 64))
        y = net.layers[2:4](x)
    ratio = y.square().mean() / x.square().mean()
    assert ratio.item() == pytest.approx(1, rel=0.1)
    biases = [v for k, v in net.named_parameters() if k.endswith("bias")]
    assert all(bias.abs().max() == 0 for bias in biases)


def test_he_initialisation_keeps_the_second_moment_through_transposed_layers() -> None:
    """Its weight is (in, out, k, k), and a stride of 2 thins the kernel out."""
    torch.manual_seed(0)
    net = ConvGenerator(64, (1, 64, 64), width=32)
    ups = [m for m in net.layers if hasattr(m, "conv")]
    with torch.no_grad():
        x = torch.randn(16, 256, 4, 4).relu()
        for up in ups[:-1]:
            y = up(x)
            inner = (..., slice(2, -2), slice(2, -2))  # the edge meets fewer inputs
            ratio = y[inner].square().mean() / (2 * x.square().mean())
            assert ratio.item() == pytest.approx(1, rel=0.2)
            x = y.relu()


def test_dcgan_initialisation_draws_with_deviation_002() -> None:
    torch.manual_seed(0)
    net = ConvGenerator(64, (1, 32, 32), width=32, norm="batch", init="dcgan")
    weights = [
        m.weight.detach() for m in net.modules() if isinstance(m, nn.ConvTranspose2d)
    ]
    assert all(w.std().item() == pytest.approx(0.02, rel=0.1) for w in weights)
    (scale, *_) = [m.weight for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert scale.mean().item() == pytest.approx(1, abs=0.02)


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
