"""Classes that are more frequent in one domain than in the other."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules.adaptation.base import Features
from lightning_modules.adaptation.label_shift import ClassShares
from lightning_modules.core.random import RandomStream
from tests.support.domains import Pair, fit, module

WEIGHING = ["wdgrl", "mmd", "deepjdot"]


@pytest.mark.parametrize("seed", range(3))
def test_shares_of_the_target_are_found_with_a_calibrated_classifier(seed: int) -> None:
    """Normal classes in a line, whose posterior under equal shares is known."""
    g = torch.Generator().manual_seed(seed)
    shares = torch.softmax(torch.randn(3, generator=g), 0)
    centres, found = 4.0 * torch.arange(3), ClassShares(3)
    for _ in range(500):
        y = torch.multinomial(shares, 64, replacement=True, generator=g)
        x = centres[y] + torch.randn(64, generator=g)
        found.update(torch.arange(66) % 3, -(x[:, None] - centres).square() / 2)
    torch.testing.assert_close(found.target, shares, atol=0.06, rtol=0)
    torch.testing.assert_close(found.source, torch.full((3,), 1 / 3))


def test_an_uncertain_classifier_does_not_talk_itself_into_a_shift() -> None:
    found = ClassShares(2)
    for _ in range(2_000):
        found.update(torch.tensor([0, 1]), torch.tensor([[0.4, 0.0]]))
    expected = torch.tensor([0.4, 0.0]).softmax(0)
    torch.testing.assert_close(found.target, expected, atol=1e-3, rtol=0)


def test_weighted_source_rows_have_the_shares_of_the_target() -> None:
    found = ClassShares(3)
    found.source.copy_(torch.tensor([0.5, 0.25, 0.25]))
    found.target.copy_(torch.tensor([0.25, 0.25, 0.5]))
    labels = torch.tensor([0, 0, 1, 2])
    weights = found.weights(labels)
    assert float(weights.mean()) == pytest.approx(1)
    sums = torch.zeros(3).index_add_(0, labels, weights) / 4
    torch.testing.assert_close(sums, found.target)
    others = found.weights(torch.tensor([2, 2, 0]))  # a batch of other shares
    torch.testing.assert_close(others, torch.tensor([1.2, 1.2, 0.3]) / 0.9)


def transfer(name: str, h: Features) -> Tensor:
    loss = module(name).transfer_loss(h)
    assert loss is not None
    return loss.detach()


@pytest.mark.parametrize("name", WEIGHING)
def test_a_row_of_weight_two_is_two_rows(name: str) -> None:
    g = torch.Generator().manual_seed(1)
    source, target = torch.randn(4, 6, generator=g), torch.randn(6, 6, generator=g)
    labels, times = torch.tensor([0, 1, 0, 1]), torch.tensor([2, 1, 1, 2])
    weights = times / times.float().mean()
    repeated = source.repeat_interleave(times, 0), labels.repeat_interleave(times)
    one = transfer(name, Features(source, labels, target, weights))
    other = transfer(name, Features(*repeated, target))
    torch.testing.assert_close(one, other)
    assert not torch.isclose(one, transfer(name, Features(source, labels, target)))


def test_the_critic_maximises_the_weighted_distance() -> None:
    model: Any = module("wdgrl", label_shift=True)
    g = torch.Generator().manual_seed(1)
    source, target = torch.randn(2, 4, 6, generator=g)
    weights = torch.tensor([2.0, 0.5, 1.0, 0.5])
    model._fixed = Features(source, torch.zeros(4).long(), target, weights)
    model.penalty.weight, model.noise = 0.0, RandomStream(0, 0, "train")
    scores = model.critic(source)
    gap = (weights * scores).mean() - model.critic(target).mean()
    torch.testing.assert_close(model.critic_objective(model._fixed), -gap)


@pytest.mark.parametrize("name", WEIGHING)
def test_training_weighs_rows_by_what_it_finds(name: str) -> None:
    model = module(name, label_shift=True)
    fit(model, Pair(), steps=4)
    assert model.class_shares is not None
    assert not torch.equal(model.class_shares.target, torch.full((2,), 0.5))
    rows = model.prepare(Pair().random_rows("train", 8, torch.Generator()))
    torch.testing.assert_close(rows.weights, model.class_shares.weights(rows.labels))
    assert module(name).class_shares is None  # nothing in the checkpoint without it


@pytest.mark.parametrize("name", ["coral", "dann", "mcc", "cdan", "mdd"])
def test_other_methods_refuse_it(name: str) -> None:
    options: dict[str, Any] = {"label_shift": True}
    with pytest.raises(
        ValueError, match=r"label_shift is not for .*: choose WDGRL, MMD"
    ):
        module(name, **options)
