"""Primal, dual and the one function that a critic learns (eq. 15-32)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.functional.distance import (
    chebyshev,
    cosine_distance,
    euclidean,
    manhattan,
    pairwise,
    squared_euclidean,
)
from lightning_modules.functional.entropic import sinkhorn_plan
from lightning_modules.functional.kantorovich import (
    OptimalCritic,
    c_transform,
    dual,
    marginal_matrix,
    primal,
)
from lightning_modules.functional.lipschitz import gradient_norm, interpolate
from lightning_modules.functional.transport import (
    optimal_transport,
    wasserstein_distance,
    weights,
)

problems = given(
    n=st.integers(1, 9),
    m=st.integers(1, 9),
    d=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
quick = settings(max_examples=25)


def problem(n: int, m: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two weighted point sets: x, y, a, b."""
    g = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(k, d, generator=g, dtype=torch.float64) for k in (n, m))
    a, b = (torch.rand(k, generator=g, dtype=torch.float64) + 0.01 for k in (n, m))
    return x, y, a / a.sum(), b / b.sum()


def numbers(n: int, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=g, dtype=torch.float64)


@problems
@quick
def test_plans_have_the_marginals_and_move_no_negative_mass(
    n: int, m: int, d: int, seed: int
) -> None:
    x, y, a, b = problem(n, m, d, seed)
    cost = pairwise(euclidean, x, y)
    for plan in (primal(cost, a, b)[0], optimal_transport(cost, a, b).plan):
        assert bool((plan >= -1e-12).all())
        torch.testing.assert_close(plan.sum(1), a, atol=1e-9, rtol=1e-7)  # eq. 16
        torch.testing.assert_close(plan.sum(0), b, atol=1e-9, rtol=1e-7)  # eq. 17
        right = marginal_matrix(n, m) @ plan.flatten().numpy()  # eq. 22
        np.testing.assert_allclose(right, torch.cat([a, b]).numpy(), atol=1e-9)


@problems
@quick
def test_strong_duality_holds_between_all_solvers(
    n: int, m: int, d: int, seed: int
) -> None:
    x, y, a, b = problem(n, m, d, seed)
    cost = pairwise(euclidean, x, y)
    by_pot = optimal_transport(cost, a, b)
    values = [
        primal(cost, a, b)[1],
        dual(cost, a, b).value,
        by_pot.cost,
        (by_pot.plan * cost).sum(),
        a @ by_pot.f + b @ by_pot.g,
        wasserstein_distance(x, y, a, b),
    ]
    for value in values[1:]:
        torch.testing.assert_close(value, values[0], atol=1e-8, rtol=1e-7)


@problems
@quick
def test_potentials_are_feasible_and_tight_where_mass_moves(
    n: int, m: int, d: int, seed: int
) -> None:
    x, y, a, b = problem(n, m, d, seed)
    cost = pairwise(euclidean, x, y)
    by_highs, by_pot = dual(cost, a, b), optimal_transport(cost, a, b)
    for f, g in ((by_highs.f, by_highs.g), (by_pot.f, by_pot.g)):
        slack = cost - f[:, None] - g[None]  # eq. 27
        assert float(slack.min()) > -1e-8
        for plan in (by_pot.plan, primal(cost, a, b)[0]):
            assert float((plan * slack).sum()) == pytest.approx(0.0, abs=1e-8)
            assert float(slack[plan > 1e-6].abs().max()) < 1e-5


@problems
@quick
def test_any_feasible_potentials_stay_below_any_plan(
    n: int, m: int, d: int, seed: int
) -> None:
    x, y, a, b = problem(n, m, d, seed)
    cost = pairwise(euclidean, x, y)
    guess = numbers(m, seed)
    below = a @ c_transform(guess, cost) + b @ guess
    assert below <= (torch.outer(a, b) * cost).sum() + 1e-12  # weak duality
    assert below <= primal(cost, a, b)[1] + 1e-9
    best = dual(cost, a, b)
    torch.testing.assert_close(a @ best.f + b @ best.g, best.value)  # eq. 28
    assert below <= best.value + 1e-9


@problems
@quick
def test_where_both_laws_are_g_is_at_most_minus_f(
    n: int, m: int, d: int, seed: int
) -> None:
    x, y, a, b = problem(n, m, d, seed)
    y[0] = x[0]  # a point that both laws share
    cost = pairwise(euclidean, x, y)
    best = dual(cost, a, b)
    assert best.g[0] <= -best.f[0] + 1e-8
    transformed = c_transform(best.g, cost)
    assert best.g[0] <= -transformed[0] + 1e-12


@pytest.mark.parametrize("distance", [euclidean, manhattan, chebyshev])
@problems
@quick
def test_one_function_does_the_work_of_two_potentials_if_the_cost_is_a_metric(
    distance: object, n: int, m: int, d: int, seed: int
) -> None:
    x, y, a, b = problem(n, m, d, seed)
    assert callable(distance)
    cost = pairwise(distance, x, y)
    exact = optimal_transport(cost, a, b)
    critic = OptimalCritic(x, y, a, b, distance=distance)
    f_x, f_y = critic(x), critic(y)
    # Nothing is lost by g = -f (eq. 30-32) ...
    torch.testing.assert_close(a @ f_x - b @ f_y, exact.cost, atol=1e-8, rtol=1e-7)
    # ... f is 1-Lipschitz on both supports together ...
    both, scores = torch.cat([x, y]), torch.cat([f_x, f_y])
    gaps = (scores[:, None] - scores[None]).abs()
    assert bool((gaps <= pairwise(distance, both, both) + 1e-9).all())
    # ... and falls at full slope where mass moves.
    drops = f_x[:, None] - f_y[None]
    moved = exact.plan > 1e-6
    torch.testing.assert_close(drops[moved], cost[moved], atol=1e-5, rtol=1e-5)


@problems
@quick
def test_the_c_transform_never_loses(n: int, m: int, d: int, seed: int) -> None:
    x, y, a, b = problem(n, m, d, seed)
    cost = pairwise(squared_euclidean, x, y)
    best = dual(cost, a, b)
    g = best.g - numbers(m, seed).abs()  # feasible, not optimal
    f = c_transform(g, cost)
    assert bool((f[:, None] + g[None] <= cost + 1e-9).all())
    assert a @ f + b @ g >= a @ best.f + b @ g - 1e-9
    again = c_transform(f, cost.T)
    torch.testing.assert_close(c_transform(again, cost), f)  # three times is once


@pytest.mark.parametrize("distance", [squared_euclidean, cosine_distance])
def test_without_the_triangle_inequality_one_function_is_not_enough(
    distance: object,
) -> None:
    assert callable(distance)
    angles = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    points = torch.stack([angles.cos(), angles.sin()], 1)
    x, y = points[[0, 1]], points[[2, 1]]  # the middle one could pass mass on
    share = torch.tensor([0.9, 0.1], dtype=torch.float64)
    scores = OptimalCritic(x, y, share, share, distance=distance)(points)
    drops = scores[:, None] - scores[None]
    assert float((drops - pairwise(distance, points, points)).max()) > 0.05


def test_the_optimal_critic_has_slope_1_on_the_lines_of_the_plan() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(40, 2, generator=g, dtype=torch.float64)
    y = torch.randn(40, 2, generator=g, dtype=torch.float64) + 3
    plan = optimal_transport(pairwise(euclidean, x, y)).plan
    rows, cols = torch.nonzero(plan > 1e-9, as_tuple=True)
    epsilon = 0.05 + 0.9 * torch.rand(len(rows), generator=g, dtype=torch.float64)
    critic = OptimalCritic(x, y)
    slopes = gradient_norm(critic, interpolate(x[rows], y[cols], epsilon))
    torch.testing.assert_close(slopes, torch.ones_like(slopes))
    anywhere = 3 * torch.randn(500, 2, generator=g, dtype=torch.float64)
    assert float(gradient_norm(critic, anywhere).max()) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("a", "message"),
    [
        (torch.tensor([0.5, 0.6]), "sum to 1"),
        (torch.tensor([1.5, -0.5]), "at least 0"),
        (torch.tensor([float("nan"), 1.0]), "sum to 1"),
    ],
)
def test_weights_that_are_no_law_are_refused(a: Tensor, message: str) -> None:
    cost = torch.ones(2, 2)
    for solve in (primal, dual, optimal_transport):
        with pytest.raises(ValueError, match=message):
            solve(cost, a)


def test_as_many_weights_as_points_are_wanted() -> None:
    with pytest.raises(ValueError, match="Weights b must be 2 numbers"):
        weights(torch.tensor([1.0]), 2, "b")


def test_a_cost_without_numbers_is_refused() -> None:
    for cost, message in (
        (torch.full((2, 2), float("nan")), "holds NaN or .* has training diverged"),
        (torch.zeros(0, 3), "cost matrix is empty"),
    ):
        for solve in (primal, dual, optimal_transport):
            with pytest.raises(ValueError, match=message):
                solve(cost)


def test_an_unreached_optimum_is_an_error() -> None:
    x, y, _, _ = problem(40, 40, 2, 0)
    with pytest.raises(RuntimeError, match="not reached in 3 pivots"):
        optimal_transport(pairwise(euclidean, x, y), max_pivots=3)


def test_entropic_plans_come_down_to_the_optimal_one() -> None:
    x, y, a, b = problem(12, 9, 2, 0)
    cost = pairwise(euclidean, x, y)
    exact = optimal_transport(cost, a, b).cost
    costs = []
    for epsilon in (1.0, 0.1, 0.01):
        plan = sinkhorn_plan(cost, epsilon, a, b)
        torch.testing.assert_close(plan.sum(1), a, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(plan.sum(0), b, atol=1e-6, rtol=1e-4)
        costs.append(float((plan * cost).sum()))
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(float(exact), rel=1e-2)
    assert costs[0] > 1.1 * float(exact)


def test_sinkhorn_says_when_it_did_not_arrive() -> None:
    x, y, a, b = problem(12, 9, 2, 0)
    cost = pairwise(euclidean, x, y)
    with pytest.raises(RuntimeError, match="did not converge in 2"):
        sinkhorn_plan(cost, 1e-3, a, b, max_iterations=2)
    with pytest.raises(ValueError, match="regularisation must be above 0"):
        sinkhorn_plan(cost, 0.0)
    with pytest.raises(ValueError, match="max_iterations must be at least 1"):
        sinkhorn_plan(cost, 1.0, max_iterations=0)
    with pytest.raises(RuntimeError, match="did not converge"):
        sinkhorn_plan(cost, 1e-320)  # POT returns NaN


@pytest.mark.parametrize("scale", [1e-14, 1e-9, 1e-3, 1e9])
def test_the_programmes_are_right_in_any_unit(scale: float) -> None:
    x, y, a, b = problem(8, 8, 2, 0)
    cost = pairwise(euclidean, x, y).requires_grad_(True)
    exact = float(optimal_transport(cost, a, b).cost)
    assert float(primal(scale * cost, a, b)[1]) == pytest.approx(scale * exact)
    assert float(dual(scale * cost, a, b).value) == pytest.approx(scale * exact)
    found = optimal_transport(scale * cost, a, b)
    assert float(found.cost) == pytest.approx(scale * exact)
    slack = scale * cost.detach() - found.f[:, None] - found.g[None]
    assert float(slack.min()) > -1e-8 * scale
