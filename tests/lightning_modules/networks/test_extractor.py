"""Networks of domain adaptation."""

import pytest
import torch
from torch import nn

from lightning_modules.core.recipe import build, recipe_of
from lightning_modules.networks import (
    ConvExtractor,
    LinearClassifier,
    MLPClassifier,
    MLPExtractor,
)


@pytest.mark.parametrize(
    ("network", "shape", "width"),
    [
        (MLPExtractor((3, 2), (7, 5)), (3, 2), 5),
        (ConvExtractor((1, 8, 8), (2, 3), 9), (1, 8, 8), 9),
        (ConvExtractor((3, 28, 28), (2, 3), 4), (3, 28, 28), 4),
        (LinearClassifier(6, 3), (6,), 3),
        (MLPClassifier(6, 3, (5, 4)), (6,), 3),
    ],
)
def test_networks_map_samples_to_rows_and_remember_how_they_were_built(
    network: nn.Module, shape: tuple[int, ...], width: int
) -> None:
    assert network(torch.randn(4, *shape)).shape == (4, width)
    recipe = recipe_of(network)
    assert recipe is not None
    again = build(recipe)
    again.load_state_dict(network.state_dict())
    x = torch.randn(4, *shape)
    assert torch.equal(again(x), network(x))


def test_an_mlp_classifier_is_normalised_rows_through_its_layers() -> None:
    network = MLPClassifier(6, 3, (5, 4)).double()
    x = 7 + torch.randn(8, 6, dtype=torch.float64)
    centred = x - x.mean(1, keepdim=True)
    expected = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in linear] == [(5, 6), (4, 5), (3, 4)]
    for layer in linear[:-1]:
        expected = (expected @ layer.weight.T + layer.bias).clamp_min(0)
    expected = expected @ linear[-1].weight.T + linear[-1].bias
    torch.testing.assert_close(network(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_follows_every_activation_and_only_in_training(dropout: float) -> None:
    network = MLPExtractor((4,), (300, 300), dropout=dropout)
    layers = [m for m in network.modules() if isinstance(m, nn.Dropout)]
    assert len(layers) == (2 if dropout else 0)
    x = torch.randn(3, 4)
    assert torch.equal(network.eval()(x), network(x))
    assert torch.equal(network.train()(x), network(x)) == (dropout == 0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MLPExtractor((4,), ()), "hidden must have at least one width"),
        (lambda: MLPExtractor((4,), (3, 0)), "hidden .0. must be at least 1, got 0"),
        (lambda: MLPExtractor((4,), dropout=1.0), "dropout must be in .0, 1., got 1.0"),
        (lambda: ConvExtractor((1, 8, 8), dropout=-0.1), "dropout must be in"),
        (lambda: ConvExtractor((1, 3, 8)), "shape must be at least"),
        (lambda: ConvExtractor((1, 8, 8), num_features=0), "num_features must be"),
        (lambda: LinearClassifier(0, 2), "n_features must be at least 1"),
        (lambda: MLPClassifier(1, 2), "n_features must be at least 2"),
        (lambda: MLPClassifier(2, 0), "n_classes must be at least 1"),
        (lambda: MLPClassifier(2, 2, (3, 0)), "hidden .0. must be at least 1"),
    ],
)
def test_sizes_that_make_no_network_are_refused(call: object, says: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=says):
        call()
