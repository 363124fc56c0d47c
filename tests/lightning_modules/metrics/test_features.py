import math
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from lightning_modules.core.recipe import save_network
from lightning_modules.metrics import (
    ClassShares,
    FrozenFeatures,
    Inception,
    Precomputed,
    feature_scores,
)
from lightning_modules.metrics import features as features_module
from lightning_modules.networks.classifier import ConvClassifier


def images(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def classifier() -> ConvClassifier:
    torch.manual_seed(0)
    network = ConvClassifier((1, 8, 8), width=4)
    network.train()(images(64))  # BatchNorm now knows some statistics
    return network


class Holder(LightningModule):
    """A module that makes the mistake of keeping a metric as an attribute."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.frozen = FrozenFeatures(network)
        self.fid = FrechetInceptionDistance(self.frozen)


def test_features_are_those_of_the_network_in_eval_mode() -> None:
    network = classifier()
    frozen = FrozenFeatures(network)
    found = frozen.train()(images(5))
    torch.testing.assert_close(found, network.eval().features(images(5)))
    assert not frozen.training
    assert not any(module.training for module in frozen.network.modules())


def test_features_and_logits_come_from_one_pass() -> None:
    network = classifier()
    features, logits = FrozenFeatures(network).features_and_logits(images(5))
    network.eval()
    torch.testing.assert_close(features, network.features(images(5)))
    torch.testing.assert_close(logits, network(images(5)))


def test_features_stay_float32_under_autocast() -> None:
    frozen, x = FrozenFeatures(classifier()), images(5)
    with torch.autocast("cpu", torch.bfloat16):
        found = frozen(x.bfloat16().float())
    torch.testing.assert_close(found, frozen(x.bfloat16().float()), rtol=0, atol=0)
    assert frozen(x.bfloat16()).dtype == torch.float32


def test_features_carry_no_gradient_and_freeze_only_a_copy() -> None:
    network = classifier()
    frozen = FrozenFeatures(network)
    assert not frozen(images(2).requires_grad_()).requires_grad
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(p.requires_grad for p in frozen.network.parameters())


def test_training_the_original_afterwards_changes_no_feature() -> None:
    network = classifier()
    frozen = FrozenFeatures(network)
    before = frozen(images(5))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(frozen(images(5)), before)


def test_a_module_that_keeps_the_metric_neither_trains_nor_saves_the_extractor() -> (
    None
):
    module = Holder(classifier())
    assert set(module.state_dict()) == {"linear.weight", "linear.bias"}
    assert [p.shape for p in module.parameters()] == [(2, 2), (2,)]
    module.load_state_dict(module.state_dict(), strict=True)


def test_the_hidden_network_moves_with_its_owner_but_keeps_its_precision() -> None:
    module = Holder(classifier())
    module.double()
    assert {p.dtype for p in module.frozen.network.parameters()} == {torch.float32}
    module.to("meta")
    assert {p.device.type for p in module.frozen.network.parameters()} == {"meta"}


def test_an_extractor_comes_back_from_a_file(tmp_path: Path) -> None:
    network = classifier()
    path = save_network(network, tmp_path / "network.safetensors")
    found = FrozenFeatures.from_file(path)(images(5))
    torch.testing.assert_close(found, network.eval().features(images(5)))


def test_a_network_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no 'features'"):
        FrozenFeatures(nn.Linear(2, 2))


def test_fid_of_identical_sets_is_zero_and_of_others_is_not() -> None:
    fid = FrechetInceptionDistance(FrozenFeatures(classifier()))
    fid.update(images(400), real=True)
    fid.update(images(400).flip(0), real=False)
    assert float(fid.compute()) == pytest.approx(0.0, abs=1e-4)
    fid.reset()
    fid.update(images(400), real=True)
    fid.update(images(400) * 0.2, real=False)
    assert float(fid.compute()) > 1e-3


def test_fid_of_gaussian_features_is_the_closed_form() -> None:
    """Diagonal Gaussians: squared shift of means plus that of deviations."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(200_000, 3, generator=generator)
    scale, shift = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([1.0, 0.0, -2.0])
    fake = torch.randn(200_000, 3, generator=generator) * scale + shift
    expected = float((shift**2).sum() + ((scale - 1) ** 2).sum())
    scores = feature_scores(real, fake, torch.zeros(10, 2), 100, 1)
    assert float(scores["fid"]) == pytest.approx(expected, rel=0.01)


def test_kid_is_the_unbiased_mmd_of_the_cubic_kernel() -> None:
    x, y = torch.randn(30, 4), torch.randn(30, 4) + 1
    found = feature_scores(x, y, torch.zeros(30, 2), kid_subset_size=30, kid_subsets=2)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 4 + 1) ** 3

    def mean_off_diagonal(k: Tensor) -> Tensor:
        return (k.sum() - k.trace()) / (30 * 29)

    expected = (
        mean_off_diagonal(kernel(x, x))
        + mean_off_diagonal(kernel(y, y))
        - 2 * kernel(x, y).mean()
    )
    torch.testing.assert_close(found["kid"], expected, rtol=1e-4, atol=1e-4)


def test_inception_score_of_certain_balanced_logits_is_the_number_of_classes() -> None:
    logits = 100 * torch.eye(5).repeat(2000, 1)
    x = torch.randn(100, 2)
    score = feature_scores(x, x, logits, 10, 1)["inception_score"]
    assert float(score) == pytest.approx(5.0, rel=0.01)


def test_scores_leave_the_global_random_state_and_repeat() -> None:
    x, y, logits = torch.randn(50, 3), torch.randn(50, 3), torch.randn(50, 4)
    before = torch.get_rng_state()
    first = feature_scores(x, y, logits, 20, 3)
    assert torch.get_rng_state().equal(before)
    torch.rand(1)
    assert feature_scores(x, y, logits, 20, 3) == first
    assert feature_scores(x, y, logits, 20, 3, seed=1)["kid"] != first["kid"]


def test_kid_takes_smaller_subsets_where_a_side_is_small() -> None:
    x = torch.randn(12, 3)
    assert math.isfinite(feature_scores(x, x[:11], torch.zeros(11, 2))["kid"])


def test_too_few_samples_are_refused() -> None:
    x = torch.randn(9, 3)
    with pytest.raises(ValueError, match="at least 2 real images and 10 samples"):
        feature_scores(x, x, torch.zeros(9, 2))


def test_class_shares_count_the_likeliest_class() -> None:
    metric = ClassShares(3)
    metric.update(torch.tensor([[0.0, 1.0, 0.0]]).repeat(3, 1))
    metric.update(torch.tensor([[5.0, 1.0, 0.0]]))
    assert metric.compute().tolist() == [0.25, 0.75, 0.0]


def test_class_shares_without_samples_are_refused() -> None:
    metric = ClassShares(3)
    metric.update(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="no samples"):
        metric.compute()


class FakeInception(nn.Module):
    """Keeps what it was shown, and answers as torch-fidelity's network would."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2048, 1008)
        self.seen = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        self.seen = x
        return torch.ones(len(x), 2048)


def test_inception_sees_rgb_bytes_and_gives_logits_without_bias(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = FakeInception()
    monkeypatch.setattr(features_module, "_inception", lambda _: net)
    inception = Inception()
    x = torch.tensor([-1.0, -0.5, 0.0, 1.0]).reshape(1, 1, 2, 2)
    features = inception.features(x)
    assert net.seen.dtype == torch.uint8
    assert net.seen.shape == (1, 3, 2, 2)
    assert net.seen[0, 2].flatten().tolist() == [0, 64, 128, 255]
    torch.testing.assert_close(inception.head(features)[0], net.fc.weight.sum(1))
    assert FrozenFeatures(inception).num_features == 2048


def test_missing_torch_fidelity_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torchmetrics.image.fid._TORCH_FIDELITY_AVAILABLE", False)
    with pytest.raises(ValueError, match=r"pip install 'wasserstein-critics\[fid\]'"):
        Inception()


def test_missing_inception_weights_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_network(*_: object) -> nn.Module:
        raise OSError("no route to host")

    monkeypatch.setattr("torchmetrics.image.fid.NoTrainInceptionV3", no_network)
    with pytest.raises(ValueError, match=r"not available \(no route to host\): put"):
        Inception()


def test_precomputed_features_pass_through_torchmetrics_unchanged() -> None:
    x, y = images(40), images(40, 1) * 0.5
    frozen = FrozenFeatures(classifier())
    passing = Precomputed(frozen.num_features)
    with pytest.warns(UserWarning, match="save all extracted"):
        direct, handed = (KernelInceptionDistance(e, 1, 40) for e in (frozen, passing))
    for batch, real in ((x, True), (y, False)):
        direct.update(batch, real=real)
        handed.update(frozen(batch), real=real)
    torch.testing.assert_close(direct.compute()[0], handed.compute()[0])
