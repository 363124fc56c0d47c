"""Losses of metric learning: by hand, as laws, and beside torch's own triplet loss."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_modules.functional import distance as distances
from lightning_modules.functional.distance import euclidean, pairwise
from lightning_modules.functional.metric_learning import (
    contrastive_loss,
    improved_triplet_loss,
    lmnn_pull,
    lmnn_push,
    target_neighbours,
    triplet_loss,
)

seeds = st.integers(0, 10_000)


def points(seed: int, n: int = 7, d: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 3, (n,), generator=generator)


@given(seed=seeds, margin=st.floats(0.1, 3.0))
def test_contrastive_loss_is_equation_47(seed: int, margin: float) -> None:
    x, labels = points(seed)
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            d = float((x[i] - x[j]).norm())
            y = float(labels[i] == labels[j])
            total += y * d**2 + (1 - y) * max(margin - d, 0.0) ** 2
    same = labels[:, None] == labels[None]
    found = contrastive_loss(pairwise(euclidean, x, x), same, margin)
    assert float(found) == pytest.approx(total / len(x) ** 2, rel=1e-9)


@given(seed=seeds, margin=st.floats(0.1, 3.0))
def test_triplet_loss_is_that_of_torch(seed: int, margin: float) -> None:
    a, p, n = (points(seed + k)[0] for k in range(3))
    ours = triplet_loss(euclidean(a, p), euclidean(a, n), margin)
    theirs = nn.TripletMarginLoss(margin, eps=0.0)(a, p, n)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-9)


@given(seed=seeds, margin=st.floats(0.1, 3.0))
def test_the_improved_loss_adds_the_distance_of_each_triplet(
    seed: int, margin: float
) -> None:
    """Eq. 49; a positive that stands in several triplets counts in each."""
    a, p, n = (points(seed + k)[0] for k in range(3))
    positive, negative = euclidean(a, p)[:, None], pairwise(euclidean, a, n)
    each = [
        float(positive[i] + (positive[i] - negative[i, l] + margin).clamp_min(0))
        for i in range(len(a))
        for l in range(len(n))  # noqa: E741
    ]
    found = improved_triplet_loss(positive, negative, margin)
    assert float(found) == pytest.approx(sum(each) / len(each), rel=1e-9)


def test_the_improved_loss_goes_on_pulling_where_the_triplet_loss_rests() -> None:
    positive, negative = torch.tensor([2.0], requires_grad=True), torch.tensor([9.0])
    (idle,) = torch.autograd.grad(triplet_loss(positive, negative), positive)
    (pulled,) = torch.autograd.grad(improved_triplet_loss(positive, negative), positive)
    assert (float(idle), float(pulled)) == (0.0, 1.0)


@given(seed=seeds, k=st.integers(1, 3), margin=st.floats(0.1, 3.0))
def test_pull_and_push_are_equation_50(seed: int, k: int, margin: float) -> None:
    x, labels = points(seed)
    apart = pairwise(euclidean, x, x)
    rows, real = target_neighbours(apart, labels, k)
    pull = push = 0.0
    for i in range(len(x)):
        alike = [j for j in range(len(x)) if j != i and labels[j] == labels[i]]
        near = sorted(alike, key=lambda j: float(apart[i, j]))[:k]
        assert rows[i][real[i]].tolist() == near
        pull += sum(float(apart[i, j]) ** 2 for j in near)
        push += sum(
            max(margin + float(apart[i, j]) ** 2 - float(apart[i, l]) ** 2, 0.0)
            for j in near
            for l in range(len(x))  # noqa: E741
            if labels[l] != labels[i]
        )
    targets = apart.gather(1, rows)
    different = labels[:, None] != labels[None]
    assert float(lmnn_pull(targets, real)) == pytest.approx(pull / len(x), rel=1e-9)
    found = lmnn_push(targets, apart, different, margin, real)
    assert float(found) == pytest.approx(push / len(x), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "name",
    ["euclidean", "manhattan", "chebyshev", "squared_euclidean", "cosine_distance"],
)
def test_any_distance_can_be_learnt_through(name: str) -> None:
    x, labels = points(3)
    x.requires_grad_()
    apart = pairwise(getattr(distances, name), x, x + 0.1)
    same = labels[:, None] == labels[None]
    loss = contrastive_loss(apart, same) + lmnn_push(apart[:, :2], apart, ~same)
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda d, m: contrastive_loss(d, d > 0, m),
        lambda d, m: triplet_loss(d, d, m),
        lambda d, m: improved_triplet_loss(d, d, m),
        lambda d, m: lmnn_push(d[None], d[None], d[None] > 0, m),
    ],
)
def test_what_has_no_mean_or_no_margin_is_refused(call: Callable[..., Any]) -> None:
    for margin in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="margin must be positive"):
            call(torch.ones(2), margin)
    with pytest.raises(ValueError, match="at least one pair or triplet"):
        call(torch.ones(0), 1.0)


@pytest.mark.parametrize("k", [0, 4])
def test_neighbours_are_among_the_other_rows(k: int) -> None:
    with pytest.raises(ValueError, match="k must be from 1 to 3"):
        target_neighbours(torch.zeros(4, 4), torch.zeros(4).long(), k)
