"""The smooth hinge with shared candidates is the one with candidates of its own."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.functional.collaborative import smooth_hinge
from lightning_modules.functional.shared_hinge import shared_smooth_hinge


def inputs(seed: int, n: int = 5, u: int = 7, d: int = 3) -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    user, negatives = (torch.randn(m, d, generator=g).double() for m in (n, u))
    positive = torch.rand(n, generator=g).double()
    return user, negatives, positive, torch.rand(n, u, generator=g) < 0.7


def plain(
    user: Tensor,
    negatives: Tensor,
    positive: Tensor,
    allowed: Tensor,
    margin: float,
    temperature: float,
    owner: None,
    beyond: Tensor | None,
) -> Tensor:
    assert owner is None, "each pair has a user here"
    far = (user[:, None] - negatives).square().sum(2)
    far = far if beyond is None else far + beyond
    return smooth_hinge(positive, far, allowed, margin, temperature)


@given(
    st.integers(0, 10**6),
    st.floats(0, 2),
    st.sampled_from([0.01, 0.2, 3.0]),
    st.booleans(),
)
def test_value_and_gradients_are_those_of_the_plain_form(
    seed: int, margin: float, temperature: float, raised: bool
) -> None:
    *floats, allowed = inputs(seed)
    weights = torch.rand(5).double()
    beyond = torch.rand(len(floats[1])).double() if raised else None
    options = allowed, margin, temperature, None, beyond
    found: list[list[Any]] = []
    for hinge in (plain, shared_smooth_hinge):
        user, negatives, positive = (x.clone().requires_grad_() for x in floats)
        loss = hinge(user, negatives, positive, *options)
        torch.autograd.backward((loss * weights).sum())
        found.append([loss.detach(), user.grad, negatives.grad, positive.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@given(st.integers(0, 10**6), st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_pairs_of_a_user_share_its_sum(seed: int, owners: list[int]) -> None:
    user, negatives, _, allowed = inputs(seed)
    positive, owner = torch.rand(len(owners)).double(), torch.tensor(owners)
    weights = torch.rand(len(owners)).double()
    found: list[list[Any]] = []
    for shared in (True, False):
        leaves = [x.clone().requires_grad_() for x in (user, negatives, positive)]
        points, candidates, near = leaves
        if shared:
            loss = shared_smooth_hinge(
                points, candidates, near, allowed, 0.5, 0.3, owner
            )
        else:
            loss = shared_smooth_hinge(
                points[owner], candidates, near, allowed[owner], 0.5, 0.3
            )
        torch.autograd.backward((loss * weights).sum())
        found.append([loss.detach(), *(leaf.grad for leaf in leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_are_those_of_differences() -> None:
    *floats, allowed = inputs(0)
    leaves = [x.requires_grad_() for x in floats]

    def loss(user: Tensor, negatives: Tensor, positive: Tensor) -> Tensor:
        return shared_smooth_hinge(user, negatives, positive, allowed, 0.5, 0.3)

    assert torch.autograd.gradcheck(loss, leaves)


def test_pairs_without_a_candidate_cost_nothing_and_move_nothing() -> None:
    user, negatives, positive, _ = inputs(1)
    allowed = torch.zeros(5, 7, dtype=torch.bool)
    allowed[0] = True
    user.requires_grad_()
    loss = shared_smooth_hinge(user, negatives, positive, allowed, 1.0, 0.1)
    torch.autograd.backward(loss.sum())
    assert loss[0] > 0
    assert loss[1:].tolist() == [0.0] * 4
    assert user.grad is not None
    assert not user.grad[1:].any()


def test_far_candidates_and_a_small_temperature_do_not_overflow() -> None:
    user, negatives = torch.zeros(1, 2), torch.tensor([[1e3, 0.0], [0.0, 1e-3]])
    near = torch.tensor([1e4])
    allowed = torch.ones(1, 2, dtype=torch.bool)
    loss = shared_smooth_hinge(user, negatives, near, allowed, 1.0, 1e-3)
    assert float(loss) == pytest.approx(1e4 + 1, rel=1e-5)
