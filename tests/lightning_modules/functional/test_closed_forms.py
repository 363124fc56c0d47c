"""Distances that need no plan, against the plan and against SciPy."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance as scipy_wasserstein
from torch import Tensor

from lightning_modules.functional.closed_forms import (
    gaussian_wasserstein,
    random_directions,
    sliced_wasserstein_distance,
    wasserstein_1d,
)
from lightning_modules.functional.transport import wasserstein_distance

quick = settings(max_examples=25)
problems = given(
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    seed=st.integers(0, 2**31),
    p=st.sampled_from([1.0, 1.5, 2.0, 4.0]),
)


def line(n: int, m: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(k, generator=g, dtype=torch.float64) for k in (n, m))
    a, b = (torch.rand(k, generator=g, dtype=torch.float64) + 0.01 for k in (n, m))
    return x, y, a / a.sum(), b / b.sum()


@problems
@quick
def test_on_a_line_quantiles_are_the_optimal_plan(
    n: int, m: int, seed: int, p: float
) -> None:
    x, y, a, b = line(n, m, seed)
    exact = wasserstein_distance(x[:, None], y[:, None], a, b, p=p)
    torch.testing.assert_close(wasserstein_1d(x, y, a, b, p=p), exact)


def test_on_a_line_weights_agree_with_scipy() -> None:
    x, y, a, b = line(17, 30, 0)
    expected = scipy_wasserstein(x.numpy(), y.numpy(), a.numpy(), b.numpy())
    assert float(wasserstein_1d(x, y, a, b)) == pytest.approx(expected)


@problems
@quick
def test_one_direction_of_the_sliced_distance_is_the_line(
    n: int, m: int, seed: int, p: float
) -> None:
    x, y, _, _ = line(n, m, seed)
    direction = torch.ones(1, 1, dtype=torch.float64)
    sliced = sliced_wasserstein_distance(x[:, None], y[:, None], direction, p)
    torch.testing.assert_close(sliced, wasserstein_1d(x, y, p=p))


def test_w1_on_a_line_pulls_each_point_towards_its_partner() -> None:
    x = torch.tensor([0.0, 5.0], requires_grad=True)
    wasserstein_1d(x, torch.tensor([6.0, 1.0])).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [-0.5, -0.5]


@given(d=st.integers(1, 5), seed=st.integers(0, 2**31), scale=st.floats(0.1, 10.0))
@quick
def test_gaussians_on_the_axes_are_as_far_as_their_means_and_deviations(
    d: int, seed: int, scale: float
) -> None:
    g = torch.Generator().manual_seed(seed)
    means = torch.randn(2, d, generator=g, dtype=torch.float64)
    deviations = scale * torch.rand(2, d, generator=g, dtype=torch.float64)
    found = gaussian_wasserstein(
        means[0], means[1], deviations[0].square().diag(), deviations[1].square().diag()
    )
    expected = (means[0] - means[1]).square() + (deviations[0] - deviations[1]).square()
    torch.testing.assert_close(found, expected.sum().sqrt(), rtol=1e-5, atol=1e-5)


@given(d=st.integers(1, 5), seed=st.integers(0, 2**31))
@quick
def test_gaussians_are_as_far_as_their_optimal_map_moves_them(
    d: int, seed: int
) -> None:
    """A linear map A with A = A^T > 0 is optimal from N(0, S) to N(m, A S A)."""
    g = torch.Generator().manual_seed(seed)
    root = torch.randn(d, d, generator=g, dtype=torch.float64)
    stretch = torch.randn(d, d, generator=g, dtype=torch.float64)
    s = root @ root.T + 0.1 * torch.eye(d)
    a = stretch @ stretch.T + 0.1 * torch.eye(d)
    mean = torch.randn(d, generator=g, dtype=torch.float64)
    found = gaussian_wasserstein(torch.zeros(d), mean, s, a @ s @ a)
    move = a - torch.eye(d, dtype=torch.float64)
    expected = (mean.square().sum() + (move @ s @ move).trace()).sqrt()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_gaussian_distance_agrees_with_large_samples() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(800, 2, generator=g, dtype=torch.float64)
    y = torch.randn(800, 2, generator=g, dtype=torch.float64) * 3 + 4
    exact = gaussian_wasserstein(x.mean(0), y.mean(0), x.T.cov(), y.T.cov())
    w2 = float(wasserstein_distance(x, y, p=2.0))
    assert float(exact) == pytest.approx(w2, rel=0.01)
    assert float(wasserstein_distance(x, y)) <= w2


@pytest.mark.parametrize("p", [0.5, float("nan"), float("inf")])
def test_orders_below_1_are_refused(p: float) -> None:
    x, direction = torch.zeros(2, 1), torch.ones(1, 1)
    with pytest.raises(ValueError, match="must be finite and at least 1"):
        wasserstein_1d(x[:, 0], x[:, 0], p=p)
    with pytest.raises(ValueError, match="must be finite and at least 1"):
        sliced_wasserstein_distance(x, x, direction, p)
    with pytest.raises(ValueError, match="must be finite and at least 1"):
        wasserstein_distance(x, x, p=p)


def test_high_orders_come_near_the_longest_way() -> None:
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    for scale in (1e-3, 1.0, 1e3):
        y = scale * torch.tensor([[3.0], [9.0]], dtype=torch.float64)
        found = float(wasserstein_distance(scale * x, y, p=100.0))
        assert found == pytest.approx(8 * scale, rel=0.01)


def test_an_empty_set_has_no_distance() -> None:
    with pytest.raises(ValueError, match="empty"):
        wasserstein_1d(torch.zeros(0), torch.zeros(2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_sliced_distances_take_samples_of_any_precision(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 9, 3, generator=g)
    directions = random_directions(7, 3, g)
    distance = sliced_wasserstein_distance(x.to(dtype), y.to(dtype), directions)
    precise = sliced_wasserstein_distance(
        x.to(dtype).double(), y.to(dtype).double(), directions.double()
    )
    torch.testing.assert_close(distance.double(), precise, rtol=1e-5, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_gaussians_without_width_in_some_directions_have_a_distance(seed: int) -> None:
    """Eigenvalues that are 0 come out as tiny negative numbers."""
    g = torch.Generator().manual_seed(seed)
    v, w = torch.randn(2, 6, 2, generator=g, dtype=torch.float64)
    zero, one = torch.zeros(6), v @ v.T
    assert float(gaussian_wasserstein(zero, zero, one, one)) < 1e-6
    found = gaussian_wasserstein(zero, zero, one, w @ w.T)
    nuclear = torch.linalg.svdvals(v.T @ w).sum()  # tr (A^1/2 B A^1/2)^1/2
    squared = one.trace() + (w @ w.T).trace() - 2 * nuclear
    torch.testing.assert_close(found, squared.sqrt(), rtol=1e-6, atol=1e-6)
