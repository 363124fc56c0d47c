"""The prior of eq. 54: once for an item and epoch, and only as strong as is shown."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_modules.recommendation.cml import CML
from lightning_modules.recommendation.feature_prior import EVIDENCE, FeaturePrior
from tests.support.ranking_data import Given, featured, trained

HELD = torch.arange(4000)[FeaturePrior(1).held_out(torch.arange(4000))]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 7))
def test_each_item_counts_once_in_an_epoch(numbers: list[int], size: int) -> None:
    """However its pairs lie in batches."""
    items = torch.tensor(numbers)
    table, counts = torch.randn(6, 3), torch.bincount(items, minlength=6)
    prior, total = FeaturePrior(3), 0.0
    for batch in torch.split(items, size):
        total += float(prior(table[batch], batch, counts, len(batch))) * len(batch)
    expected = table[torch.unique(items)].square().sum()
    assert total == pytest.approx(float(expected), rel=1e-4)


def test_so_does_each_new_item_that_is_a_negative() -> None:
    """Two pairs in batches of one, and three new items, some of them drawn."""
    counts, table = torch.tensor([2, 0, 0, 0]), torch.ones(4, 1)
    items = torch.tensor([0, 2, 0, 2, 3])  # a pair, then negatives
    assert float(FeaturePrior(1)(table[items], items, counts, 1)) == 0.5 + 3 / 2
    none = torch.tensor([0, 0])
    assert float(FeaturePrior(1)(table[none], none, counts, 1)) == 0.5


def observed(user: Tensor, encoded: Tensor, size: int = 50) -> FeaturePrior:
    prior = FeaturePrior(user.shape[1])
    for one, other in zip(
        *(torch.split(x, size) for x in (user, encoded)), strict=True
    ):
        prior.observe(one, other, HELD[: len(one)], ranks=False)
    return prior


def test_what_is_explained_is_the_squared_correlation() -> None:
    user = torch.randn(50, 3)
    encoded = 0.3 * user + torch.randn(50, 3)
    rows = [(x - x.mean(0)).flatten() for x in (user, encoded)]
    expected = torch.corrcoef(torch.stack(rows))[0, 1].square()
    torch.testing.assert_close(observed(user, encoded).explained(), expected)
    scaled = observed(user + 2, 5 * encoded - 1)
    torch.testing.assert_close(scaled.explained(), expected, rtol=1e-3, atol=1e-5)
    weight = 1 + expected / EVIDENCE
    torch.testing.assert_close(observed(user, encoded).weight(), weight)


def test_nothing_seen_and_what_misleads_explain_nothing() -> None:
    user, constant = torch.randn(100, 3), torch.randn(3).expand(100, 3)
    assert float(FeaturePrior(3).weight()) == 1
    assert float(observed(user, -user).weight()) == 1
    assert float(observed(user, constant).explained()) < 1e-6  # but for rounding
    assert float(observed(constant, user).explained()) < 1e-6
    assert float(observed(user, user).explained()) == pytest.approx(1, abs=1e-5)


def test_a_twentieth_of_the_items_is_held_out_and_only_these_are_counted() -> None:
    assert 150 < len(HELD) < 250
    others = torch.arange(4000)[~torch.isin(torch.arange(4000), HELD)][:50]
    prior = FeaturePrior(2)
    prior.observe(torch.randn(50, 2), torch.randn(50, 2), others)
    assert not prior.moments.any()


def test_items_that_are_held_out_train_no_network() -> None:
    model = CML(dim=3, feature_weight=0.5, feature_hidden=(6,))
    trained(model, 0, featured())
    held = model.prior.held_out(torch.arange(36)).nonzero().flatten()
    assert len(held)
    for items, learns in ((held, False), (held + 1, True)):
        points, _ = model._points_of(items, torch.zeros(0, 3))
        model.zero_grad()
        points.sin().sum().backward()  # type: ignore[no-untyped-call]
        (weight, *_) = model.item_encoder.parameters()
        assert (weight.grad is not None and bool(weight.grad.any())) is learns


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0])
def test_items_stand_at_their_features_as_often_as_these_are_trusted(
    scale: float,
) -> None:
    """Never those that f is not trained on, nor those of which f(0) says nothing."""
    model = CML(dim=3, feature_weight=0.5, feature_hidden=(6,), ball=False)
    trained(model, 3, featured())
    items, user, noise = torch.arange(36), torch.randn(200, 3), torch.randn(200, 3)
    held = model.prior.held_out(items)
    blank = torch.zeros(36, dtype=torch.bool)
    blank[[4, 9]] = True
    features = model.evaluator.features(torch.float32)
    assert isinstance(features, Tensor)
    features[:36][blank] = 0
    held = model.prior.held_out(items) | blank
    model.prior.moments.zero_()
    model.prior.observe(user, scale * user + (1 - scale) * noise / 3, HELD[:200])
    doubt = float(model.prior.doubt())
    model.item_encoder.eval()
    nn.init.ones_(model.items.weight)
    encoded = model.item_encoder(features)[:36]
    alone = torch.stack(
        [
            torch.isclose(model._points_of(items, user[:0])[0], encoded).all(1)
            for _ in range(40)
        ]
    )
    assert not alone[:, held].any()
    share = float(alone[:, ~held].float().mean())
    assert share == pytest.approx(1 - doubt, abs=0.05)


def grouped(features: Tensor | None) -> Given:
    """Users who take items of their group, which is one of four."""
    draw = torch.Generator().manual_seed(0)
    group = torch.randint(4, (400,), generator=draw)
    likes = torch.arange(60)[:, None] % 4 == group
    kept = torch.rand(60, 400, generator=draw) < 0.15
    rows = (
        torch.nn.functional.one_hot(group, 4).float() if features is None else features
    )
    return Given(likes & kept, likes & ~kept, rows, batch_size=64)


def test_features_hold_items_as_firmly_as_they_are_right() -> None:
    weights = []
    noise = torch.randn(400, 30, generator=torch.Generator().manual_seed(1))
    for features in (None, noise):
        model = CML(dim=4, feature_weight=1.0, feature_hidden=(16,))
        trained(model, 60, grouped(features))
        weights.append(float(model.prior.weight()))
    assert weights[0] > 10
    assert weights[1] < 2


def test_a_checkpoint_without_moments_begins_them(tmp_path: Path) -> None:
    model, path = CML(dim=3, feature_weight=0.5), tmp_path / "one.ckpt"
    trained(model, 4, featured()).save_checkpoint(path)
    content: dict[str, Any] = torch.load(path, weights_only=True)
    assert content["state_dict"].pop("prior.moments").any()
    torch.save(content, path)
    again = CML.load_from_checkpoint(path, weights_only=True)
    assert not again.prior.moments.any()
