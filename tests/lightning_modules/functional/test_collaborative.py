"""The terms of collaborative metric learning, by hand and beside numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_modules.functional.collaborative import (
    covariance_penalty,
    feature_loss,
    first_impostors,
    hardest_negatives,
    metric_hinge,
    popularity_heights,
    project_rows_,
    rank_weight,
    smooth_hinge,
)

seeds = st.integers(0, 10_000)


def random(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@given(seed=seeds, margin=st.floats(0.1, 3.0), n_items=st.integers(5, 1000))
def test_the_hardest_negative_is_that_of_a_loop(
    seed: int, margin: float, n_items: int
) -> None:
    positive, negatives = random(seed, 6).abs(), random(seed + 1, 6, 5).abs()
    allowed = random(seed + 2, 6, 5) < 0.8
    found = hardest_negatives(positive, negatives, allowed, margin, n_items)
    for i in range(6):
        usable = [k for k in range(5) if allowed[i, k]]
        hinges = {
            k: max(0.0, margin + float(positive[i]) - float(negatives[i, k]))
            for k in usable
        }
        impostors = sum(hinge > 0 for hinge in hinges.values())
        expected = math.floor(n_items * impostors / max(len(usable), 1))
        assert float(found.rank[i]) == expected
        assert bool(found.impostor[i]) == (impostors > 0)
        if impostors:
            best = max(hinges.values())
            assert hinges[int(found.place[i])] == pytest.approx(best)


@given(
    counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=9),
    weight=st.floats(0.01, 3.0),
    temperature=st.floats(0.1, 1.0),
)
def test_heights_weigh_items_by_a_power_of_their_counts(
    counts: list[int], weight: float, temperature: float
) -> None:
    squares = popularity_heights(torch.tensor(counts), weight)
    likelier = (-squares / temperature).exp()
    for n, found in zip(counts, likelier.tolist(), strict=True):
        power = ((1 + n) / (1 + max(counts))) ** (weight / temperature)
        assert found == pytest.approx(power, rel=1e-3, abs=1e-30)
    assert float(squares.min()) == 0


@given(seed=seeds, margin=st.floats(0.1, 3.0), n_items=st.integers(5, 1000))
def test_the_first_impostor_is_that_of_a_loop(
    seed: int, margin: float, n_items: int
) -> None:
    positive, negatives = random(seed, 6).abs(), random(seed + 1, 6, 5).abs()
    allowed = random(seed + 2, 6, 5) < 0.8
    found = first_impostors(positive, negatives, allowed, margin, n_items)
    for i in range(6):
        draws, met = 0, None
        for k in range(5):
            draws += bool(allowed[i, k])
            if allowed[i, k] and negatives[i, k] < positive[i] + margin:
                met = k
                break
        assert bool(found.impostor[i]) == (met is not None)
        assert float(found.rank[i]) == (0 if met is None else n_items // draws)
        if met is not None:
            assert int(found.place[i]) == met


@given(seed=seeds, margin=st.floats(-1.0, 3.0), temperature=st.floats(0.01, 2.0))
def test_the_smooth_hinge_lies_above_every_hinge_and_not_far(
    seed: int, margin: float, temperature: float
) -> None:
    positive, negatives = random(seed, 6).abs(), random(seed + 1, 6, 5).abs()
    allowed = random(seed + 2, 6, 5) < 0.8
    found = smooth_hinge(positive, negatives, allowed, margin, temperature)
    reach = (margin + positive[:, None] - negatives).clamp_min(0)
    largest = reach.masked_fill(~allowed, 0).amax(1)
    assert (found >= largest - 1e-12).all()
    assert (found <= largest + temperature * math.log(6) + 1e-12).all()


def test_the_smooth_hinge_moves_candidates_by_their_share_of_the_sum() -> None:
    near, far = random(0, 1).abs(), random(1, 1, 4).abs().requires_grad_()
    allowed = torch.tensor([[True, True, False, True]])
    loss = smooth_hinge(near, far, allowed, 0.5, 0.3).sum()
    torch.autograd.backward(loss)
    shares = ((0.5 + near - far.detach()) / 0.3).exp() * allowed
    assert far.grad is not None
    torch.testing.assert_close(far.grad, -shares / (1 + shares.sum()))


def test_a_pair_without_candidates_has_no_smooth_hinge() -> None:
    near, far = torch.ones(1, requires_grad=True), torch.ones(1, 3)
    loss = smooth_hinge(near, far, torch.zeros(1, 3, dtype=torch.bool), 1.0, 0.2)
    torch.autograd.backward(loss.sum())
    assert float(loss.detach()) == 0.0
    assert near.grad is not None
    assert float(near.grad) == 0.0


def test_an_item_that_may_not_be_used_is_no_impostor_and_not_drawn() -> None:
    positive, negatives = torch.tensor([1.0]), torch.tensor([[0.0, 1.5, 9.0]])
    allowed = torch.tensor([[False, True, True]])
    found = hardest_negatives(positive, negatives, allowed, 1.0, n_items=10)
    assert (int(found.place), float(found.rank)) == (1, 5.0)  # one of two, of ten
    nothing = hardest_negatives(positive, negatives, ~allowed & False, 1.0, 10)
    assert (float(nothing.rank), bool(nothing.impostor)) == (0.0, False)


def test_the_weight_of_a_rank_is_equation_53() -> None:
    ranks = torch.tensor([0.0, 1.0, 9.0])
    expected = torch.tensor([0.0, math.log(2), math.log(10)])
    torch.testing.assert_close(rank_weight(ranks), expected)


def test_the_hinge_is_the_bracket_of_equation_52() -> None:
    positive = torch.tensor([1.0, 2.0, 0.0], requires_grad=True)
    negative = torch.tensor([3.0, 2.5, 0.5], requires_grad=True)
    hinge = metric_hinge(positive, negative, 1.0)
    assert hinge.tolist() == [0.0, 0.5, 0.5]
    pull, push = torch.autograd.grad(hinge.sum(), (positive, negative))
    assert pull.tolist() == [0.0, 1.0, 1.0]
    assert push.tolist() == [0.0, -1.0, -1.0]


def test_the_feature_loss_is_equation_54() -> None:
    predicted, points = random(0, 7, 3), random(1, 7, 3)
    expected = np.mean(np.sum((predicted - points).numpy() ** 2, axis=1))
    assert float(feature_loss(predicted, points)) == pytest.approx(float(expected))


@given(seed=seeds, n=st.integers(2, 20), d=st.integers(1, 6))
def test_the_covariance_penalty_is_equation_55(seed: int, n: int, d: int) -> None:
    points = random(seed, n, d) + 100
    covariance = np.atleast_2d(np.cov(points.numpy(), rowvar=False, bias=True))
    apart = (covariance**2).sum() - (np.diag(covariance) ** 2).sum()
    assert float(covariance_penalty(points)) == pytest.approx(float(apart), abs=1e-9)


def test_coordinates_without_covariance_cost_nothing_whatever_their_sign() -> None:
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(covariance_penalty(square)) == 0.0
    line = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    mirrored = line * torch.tensor([1.0, -1.0])
    assert float(covariance_penalty(line)) == float(covariance_penalty(mirrored)) == 2.0


@given(seed=seeds, rows=st.lists(st.integers(0, 5), max_size=9))
def test_only_touched_rows_outside_the_ball_are_projected(
    seed: int, rows: list[int]
) -> None:
    table = nn.Parameter(random(seed, 6, 3))
    before = table.detach().clone()
    project_rows_(table, torch.tensor(rows).long())
    norms = before.norm(dim=1)
    for row in range(6):
        outside = row in rows and norms[row] > 1
        expected = before[row] / norms[row] if outside else before[row]
        torch.testing.assert_close(table.detach()[row], expected)
        if not outside:
            assert torch.equal(table.detach()[row], before[row])
    project_rows_(table)
    assert table.detach().norm(dim=1).max() <= 1 + 1e-12
