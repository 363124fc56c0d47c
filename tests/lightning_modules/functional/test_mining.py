"""Triplets of a batch, beside loops over all of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.functional.distance import euclidean, pairwise
from lightning_modules.functional.metric_learning import (
    contrastive_loss,
    improved_triplet_loss,
    triplet_loss,
)
from lightning_modules.functional.mining import Mining, mine_triplets, pairs


def batch(seed: int, n: int = 8, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator)
    return x, torch.randint(0, classes, (n,), generator=generator)


def expected(apart: Tensor, labels: Tensor, how: str) -> list[tuple[float, float]]:
    """(d(a, p), d(a, n)) of every triplet, by loops."""
    n, found = len(labels), []
    for a in range(n):
        p = [float(apart[a, j]) for j in range(n) if j != a and labels[j] == labels[a]]
        q = [float(apart[a, j]) for j in range(n) if labels[j] != labels[a]]
        if not p or not q:
            continue
        if how == "hard":
            found.append((max(p), min(q)))
        for positive in p if how == "semi-hard" else []:
            beyond = [d for d in q if d > positive]
            found.append((positive, min(beyond) if beyond else max(q)))
        found += [(i, j) for i in p for j in q] if how == "all" else []
    return sorted(found)


@given(seed=st.integers(0, 10_000), classes=st.integers(1, 4))
@pytest.mark.parametrize("how", ["all", "semi-hard", "hard"])
def test_triplets_are_those_of_a_loop(how: Mining, seed: int, classes: int) -> None:
    x, labels = batch(seed, classes=classes)
    apart = pairwise(euclidean, x, x)
    found = mine_triplets(apart, labels, how)
    shape = torch.broadcast_shapes(found.positive.shape, found.negative.shape)  # type: ignore[no-untyped-call]
    mask = found.mask.expand(shape)
    both = (part.expand(shape)[mask].tolist() for part in found[:2])
    assert sorted(zip(*both, strict=True)) == expected(apart, labels, how)


@pytest.mark.parametrize("loss", [triplet_loss, improved_triplet_loss])
@pytest.mark.parametrize("how", ["all", "semi-hard", "hard"])
@pytest.mark.parametrize("classes", [1, 2, 8])
def test_gradients_are_finite_whatever_a_batch_lacks(
    how: Mining, loss: object, classes: int
) -> None:
    assert callable(loss)
    x, labels = batch(0, classes=classes)
    x.requires_grad_()
    found = mine_triplets(pairwise(euclidean, x, x), labels, how)
    value = loss(found.positive, found.negative, 1.0, found.mask)
    (gradient,) = torch.autograd.grad(value, x)
    assert gradient.isfinite().all()
    if classes == 1:
        assert value.item() == 0.0
        assert not gradient.any()


def test_a_mask_leaves_out_what_is_no_pair() -> None:
    d, same = torch.tensor([3.0, torch.inf, 0.5]), torch.tensor([True, True, False])
    mask = torch.tensor([True, False, True])
    assert float(contrastive_loss(d, same, 1.0, mask)) == (9 + 0.25) / 2


def test_a_row_is_no_pair_with_itself() -> None:
    same, different = pairs(torch.tensor([1, 1, 2]))
    assert same.tolist() == [[False, True, False], [True, False, False], [False] * 3]
    assert torch.equal(different, ~same & ~torch.eye(3, dtype=torch.bool))


@given(seed=st.integers(0, 1000))
@pytest.mark.parametrize("how", ["all", "semi-hard", "hard"])
def test_triplets_of_equal_distances_are_those_of_a_loop(
    how: Mining, seed: int
) -> None:
    """A negative as far as the positive is not farther (arXiv:1503.03832, eq. 4)."""
    x, labels = batch(seed)
    apart = pairwise(euclidean, x.round()[:, :1], x.round()[:, :1])
    found = mine_triplets(apart, labels, how)
    shape = torch.broadcast_shapes(found.positive.shape, found.negative.shape)  # type: ignore[no-untyped-call]
    both = (part.expand(shape)[found.mask.expand(shape)] for part in found[:2])
    pairs_found = zip(*(part.tolist() for part in both), strict=True)
    assert sorted(pairs_found) == expected(apart, labels, how)
