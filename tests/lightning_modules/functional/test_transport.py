import math
import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance as scipy_wasserstein
from torch import Tensor

from lightning_modules.functional.closed_forms import (
    random_directions,
    sliced_wasserstein_distance,
)
from lightning_modules.functional.transport import (
    optimal_pairs,
    wasserstein_distance,
    weights,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Python warns when it compiles POT's sources
    import ot

Distance = Callable[[Tensor, Tensor], Tensor]
seeds = st.integers(0, 2**31)
sizes = st.integers(1, 12)
dimensions = st.integers(1, 5)


def points(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def sliced(x: Tensor, y: Tensor, p: float = 1.0) -> Tensor:
    directions = random_directions(16, x.shape[1], torch.Generator().manual_seed(1))
    return sliced_wasserstein_distance(x, y, directions.double(), p)


distances = pytest.mark.parametrize("distance", [wasserstein_distance, sliced])


@distances
@given(n=sizes, m=sizes, d=dimensions, seed=seeds)
@settings(max_examples=25)
def test_distance_is_symmetric(
    distance: Distance, n: int, m: int, d: int, seed: int
) -> None:
    x, y = points(n, d, seed), points(m, d, seed + 1)
    torch.testing.assert_close(distance(x, y), distance(y, x))


@distances
@given(n=sizes, d=dimensions, seed=seeds)
@settings(max_examples=25)
def test_distance_of_a_set_to_itself_in_another_order_is_zero(
    distance: Distance, n: int, d: int, seed: int
) -> None:
    x = points(n, d, seed)
    assert float(distance(x, x.flip(0))) == pytest.approx(0.0, abs=1e-12)


@distances
@given(n=sizes, m=sizes, k=sizes, d=dimensions, seed=seeds)
@settings(max_examples=25)
def test_triangle_inequality(
    distance: Distance, n: int, m: int, k: int, d: int, seed: int
) -> None:
    x, y, z = points(n, d, seed), points(m, d, seed + 1) + 1, points(k, d, seed + 2)
    assert distance(x, z) <= distance(x, y) + distance(y, z) + 1e-9


@distances
@given(n=sizes, m=sizes, d=dimensions, seed=seeds, scale=st.floats(0.01, 100))
@settings(max_examples=25)
def test_distance_scales_with_the_samples(
    distance: Distance, n: int, m: int, d: int, seed: int, scale: float
) -> None:
    x, y = points(n, d, seed), points(m, d, seed + 1)
    torch.testing.assert_close(distance(scale * x, scale * y), scale * distance(x, y))


@given(n=sizes, d=dimensions, seed=seeds)
@settings(max_examples=25)
def test_exact_distance_of_a_translation_is_its_length(
    n: int, d: int, seed: int
) -> None:
    x, step = points(n, d, seed), points(1, d, seed + 1)
    torch.testing.assert_close(wasserstein_distance(x, x + step), step.norm())


@given(n=sizes, d=dimensions, seed=seeds)
@settings(max_examples=25)
def test_sliced_distance_of_a_translation_is_its_mean_projection(
    n: int, d: int, seed: int
) -> None:
    x, step = points(n, d, seed), points(1, d, seed + 1)
    directions = random_directions(16, d, torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(sliced(x, x + step), (directions @ step.T).abs().mean())


@given(n=sizes, m=sizes, d=dimensions, seed=seeds)
@settings(max_examples=25)
def test_sliced_distance_is_at_most_the_exact_one(
    n: int, m: int, d: int, seed: int
) -> None:
    x, y = points(n, d, seed), points(m, d, seed + 1)
    assert sliced(x, y) <= wasserstein_distance(x, y) + 1e-9


def test_on_a_line_sliced_and_exact_agree_with_scipy() -> None:
    x, y = points(31, 1, 0), points(47, 1, 1)
    expected = scipy_wasserstein(x[:, 0].numpy(), y[:, 0].numpy())
    line = torch.ones(1, 1, dtype=torch.float64)
    assert float(sliced_wasserstein_distance(x, y, line)) == pytest.approx(expected)
    assert float(wasserstein_distance(x, y)) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 25), (7, 60)])
def test_every_direction_agrees_with_scipy(n: int, m: int) -> None:
    x, y, directions = (
        points(n, 3, 0),
        points(m, 3, 1),
        random_directions(9, 3).double(),
    )
    for direction in directions:
        ours = sliced_wasserstein_distance(x, y, direction[None])
        theirs = scipy_wasserstein((x @ direction).numpy(), (y @ direction).numpy())
        assert float(ours) == pytest.approx(theirs)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_sliced_distance_of_any_order_agrees_with_pot(p: float) -> None:
    x, y, directions = (
        points(40, 3, 0),
        points(23, 3, 1),
        random_directions(9, 3).double(),
    )
    theirs = ot.sliced_wasserstein_distance(
        x.numpy(), y.numpy(), projections=directions.T.numpy(), p=p
    )
    assert float(sliced_wasserstein_distance(x, y, directions, p)) == pytest.approx(
        theirs
    )


def test_exact_distance_agrees_with_a_general_linear_programme() -> None:
    x, y = points(5, 3, 0), points(8, 3, 1)
    cost = np.linalg.norm(x.numpy()[:, None] - y.numpy()[None], axis=2)
    rows = np.kron(np.eye(5), np.ones((1, 8)))
    cols = np.kron(np.ones((1, 5)), np.eye(8))
    marginals = np.concatenate([np.full(5, 1 / 5), np.full(8, 1 / 8)])
    best = linprog(cost.ravel(), A_eq=np.vstack([rows, cols]), b_eq=marginals)
    assert float(wasserstein_distance(x, y)) == pytest.approx(best.fun)


def test_sliced_distance_of_two_wide_gaussians_is_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 2, generator=generator)
    y = torch.randn(20_000, 2, generator=generator) * 3
    # N(0, 1) to N(0, 9) on every line: (3 - 1) E|z|
    expected = 2 * math.sqrt(2 / math.pi)
    directions = random_directions(32, 2, generator)
    assert float(sliced_wasserstein_distance(x, y, directions)) == pytest.approx(
        expected, rel=0.02
    )


def test_optimal_pairs_attain_the_exact_distance_and_use_each_row_once() -> None:
    x, y = points(50, 4, 0), points(50, 4, 1)
    rows, cols = optimal_pairs(x, y)
    assert sorted(rows.tolist()) == sorted(cols.tolist()) == list(range(50))
    mean = (x[rows] - y[cols]).norm(dim=1).mean()
    torch.testing.assert_close(mean, wasserstein_distance(x, y))


@pytest.mark.parametrize(("n", "seconds"), [(1000, 1.0), (2000, 5.0)])
def test_the_exact_distance_between_thousands_of_points_takes_seconds(
    n: int, seconds: float
) -> None:
    x, y = points(n, 64, 0), points(n, 64, 1)
    start = time.process_time()
    wasserstein_distance(x, y)
    assert time.process_time() - start < seconds


def test_sets_of_different_size_have_no_pairs() -> None:
    with pytest.raises(ValueError, match="Sets of 3 and 4 points can't be paired"):
        optimal_pairs.__wrapped__(points(3, 2, 0), points(4, 2, 1))  # type: ignore[attr-defined]


def test_nearly_equal_float32_points_keep_their_digits() -> None:
    x = torch.full((4, 3), 1000.0)
    step = torch.tensor([0.0, 0.0, 2.0**-10])
    assert float(wasserstein_distance(x, x + step)) == 2.0**-10


def test_sliced_distance_has_the_gradient_of_its_projections() -> None:
    x = points(6, 3, 0).requires_grad_()
    directions = random_directions(4, 3, torch.Generator().manual_seed(0)).double()
    assert torch.autograd.gradcheck(
        lambda x: sliced_wasserstein_distance(x, points(9, 3, 1), directions), x
    )


def test_random_directions_are_unit_vectors_and_repeat_with_the_seed() -> None:
    one, two = (random_directions(8, 5, torch.Generator().manual_seed(3)) for _ in "ab")
    assert one.equal(two)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(8))


def test_a_solver_that_runs_out_of_pivots_says_so() -> None:
    with pytest.raises(RuntimeError, match="not reached in 3 pivots"):
        wasserstein_distance(points(30, 2, 0), points(30, 2, 1), max_pivots=3)


@distances
def test_an_empty_set_is_refused(distance: Distance) -> None:
    with pytest.raises(ValueError, match="empty"):
        distance(points(0, 2, 0), points(3, 2, 0))


def test_diverged_samples_are_refused() -> None:
    x = points(3, 2, 0)
    x[0, 0] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        wasserstein_distance(points(3, 2, 1), x)


def test_weights_that_do_not_sum_to_one_are_refused_and_others_made_exact() -> None:
    for bad in ([0.5, 0.6], [0.5, 0.499], [0.2, 0.2], [1.5, -0.5], [1.0]):
        with pytest.raises(ValueError, match="Weights a must be 2 numbers"):
            weights(torch.tensor(bad), 2, "a")
    found = weights(torch.tensor([0.5, 0.500004], dtype=torch.float64), 2, "a")
    assert float(found.sum()) == pytest.approx(1, abs=1e-15)
    assert weights(None, 4, "a").tolist() == [0.25] * 4
