"""Initial weights have the variances of the papers."""

import pytest
import torch
from torch import nn

from lightning_modules import (
    ConvGenerator,
    MLPGenerator,
)
from lightning_modules.networks.initialisation import RowLinear, initialise


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


def test_truncated_weights_stay_within_two_deviations_and_biases_are_a_tenth() -> None:
    torch.manual_seed(0)
    layer = RowLinear(50, 2000)
    initialise(layer, "truncated")
    deviation = (2 / 50) ** 0.5
    assert layer.weight.abs().max() <= 2 * deviation
    # a normal law cut at two deviations has 0.774 of its variance left
    assert layer.weight.var().item() == pytest.approx(0.774 * 2 / 50, rel=0.02)
    assert (layer.bias == 0.1).all()


def test_the_layer_of_rows_is_torchs_linear_layer() -> None:
    rows, linear = RowLinear(6, 4), nn.Linear(6, 4)
    with torch.no_grad():
        linear.weight.copy_(rows.weight.T)
        linear.bias.copy_(rows.bias)
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(rows(x), linear(x.flatten(1)))
