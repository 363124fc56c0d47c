"""Networks map shapes as they say: convolutions, residual blocks, layers, maps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lightning_modules import (
    ConvCritic,
    ConvGenerator,
    LinearMap,
    MLPCritic,
    MLPGenerator,
    ResNetCritic,
    ResNetGenerator,
)
from lightning_modules.networks.mlp import ACTIVATIONS


@settings(max_examples=25)
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


pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'train_dataloader' does not have many workers"
)


@pytest.mark.parametrize("n", [0, 14])
def test_a_map_keeps_at_least_one_coordinate_and_adds_none(n: int) -> None:
    with pytest.raises(ValueError, match="from 1 to the 13 numbers of a sample"):
        LinearMap((13,), n)


def test_distances_after_a_map_are_mahalanobis_distances_before_it() -> None:
    """Eq. 46, with L^T L as the inverse covariance."""
    network = LinearMap((3,), 2)
    nn.init.normal_(network.weight)
    x, y = torch.randn(2, 5, 3)
    inverse, gap = network.weight.T @ network.weight, x - y
    expected = (gap @ inverse * gap).sum(1).sqrt()
    torch.testing.assert_close((network(x) - network(y)).norm(dim=1), expected)


def test_a_map_starts_as_the_identity_or_its_first_rows() -> None:
    x = torch.randn(4, 3)
    assert torch.equal(LinearMap((3,))(x), x)
    assert torch.equal(LinearMap((3,), 2)(x), x[:, :2])
