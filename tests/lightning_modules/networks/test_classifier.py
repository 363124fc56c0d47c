from pathlib import Path

import pytest
import torch

from lightning_modules.core.recipe import load_network, save_network
from lightning_modules.networks import ConvClassifier


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 9, 17)])
@pytest.mark.parametrize("width", [4, 16])
def test_features_have_four_times_the_width_and_logits_one_per_class(
    shape: tuple[int, int, int], width: int
) -> None:
    network = ConvClassifier(shape, n_classes=7, width=width)
    x = torch.randn(5, *shape)
    assert network(x).shape == (5, 7)
    assert network.features(x).shape == (5, network.num_features) == (5, 4 * width)


def test_logits_are_the_head_of_the_features_which_are_not_negative() -> None:
    network, x = ConvClassifier((1, 8, 8)).eval(), torch.randn(6, 1, 8, 8)
    features = network.features(x)
    torch.testing.assert_close(network.head(features), network(x))
    assert features.min() >= 0


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32)])
def test_the_file_stays_below_one_megabyte_and_gives_the_network_back(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    network = ConvClassifier(shape)
    network.train()(torch.randn(8, *shape))
    path = save_network(network, tmp_path / "network.safetensors")
    assert path.stat().st_size < 1e6
    x = torch.randn(4, *shape)
    torch.testing.assert_close(load_network(path)(x), network.eval()(x))


def test_a_new_network_has_seen_no_data() -> None:
    network = ConvClassifier((1, 8, 8))
    for name, value in network.named_buffers():
        expected = 1.0 if name.endswith("running_var") else 0.0
        assert bool((value == expected).all()), name


def test_the_same_seed_builds_the_same_network() -> None:
    states = []
    for _ in "ab":
        torch.manual_seed(0)
        states.append(ConvClassifier((1, 8, 8)).state_dict())
    assert all(states[0][name].equal(states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"shape": (1, 7, 28)}, r"shape must be at least \(c, 8, 8\)"),
        ({"shape": (1, 8, 8), "n_classes": 1}, "n_classes"),
        ({"shape": (1, 8, 8), "width": 0}, "width"),
    ],
)
def test_bad_arguments_are_named(
    arguments: dict[str, tuple[int, int, int]], key: str
) -> None:
    with pytest.raises(ValueError, match=key):
        ConvClassifier(**arguments)  # type: ignore[arg-type]
