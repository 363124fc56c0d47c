"""Distances against SciPy's, and which of them are metrics."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import entropy as scipy_entropy
from torch import Tensor
from torch.profiler import profile

from lightning_modules.functional.distance import (
    chebyshev,
    cosine_distance,
    entropy,
    euclidean,
    jensen_shannon,
    mahalanobis,
    manhattan,
    minkowski,
    pairwise,
    squared_euclidean,
)

SIGMA = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 0.3]]).double()
INVERSE = np.linalg.inv(SIGMA.numpy())
whitened = partial(mahalanobis, covariance=SIGMA)
cubic = partial(minkowski, p=3.0)
Distance = Callable[[Tensor, Tensor], Tensor]
laws_of_points = given(
    seed=st.integers(0, 2**31), spread=st.floats(0.01, 100.0), shift=st.floats(-9, 9)
)
METRICS: list[tuple[str, Distance]] = [
    ("euclidean", euclidean),
    ("manhattan", manhattan),
    ("chebyshev", chebyshev),
    ("minkowski", cubic),
    ("mahalanobis", whitened),
    ("jensen_shannon", jensen_shannon),
]
metrics = pytest.mark.parametrize(
    ("name", "distance"), METRICS, ids=[name for name, _ in METRICS]
)


def points(n: int, seed: int, spread: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return spread * drawn + shift


def domain(name: str, x: Tensor) -> Tensor:
    """Points as they are, or as the laws that jensen_shannon compares."""
    return x.softmax(-1) if name == "jensen_shannon" else x


@pytest.mark.parametrize(
    ("ours", "theirs", "extra"),
    [
        (euclidean, "euclidean", {}),
        (squared_euclidean, "sqeuclidean", {}),
        (manhattan, "cityblock", {}),
        (chebyshev, "chebyshev", {}),
        (cubic, "minkowski", {"p": 3.0}),
        (cosine_distance, "cosine", {}),
        (whitened, "mahalanobis", {"VI": INVERSE}),
    ],
)
def test_distances_agree_with_scipy(
    ours: Distance, theirs: Any, extra: dict[str, Any]
) -> None:
    x, y = points(7, 0), points(5, 1, 3.0, 1.0)
    expected = cdist(x.numpy(), y.numpy(), theirs, **extra)
    torch.testing.assert_close(pairwise(ours, x, y), torch.as_tensor(expected))
    torch.testing.assert_close(
        ours(x[:5], y), torch.as_tensor(expected.diagonal().copy())
    )


def test_entropy_and_its_distance_agree_with_scipy() -> None:
    p, q = points(6, 0).softmax(-1), points(6, 1).softmax(-1)
    q[0, 0], p[0] = 0.0, torch.tensor([1.0, 0.0, 0.0])  # impossible events
    q = q / q.sum(-1, keepdim=True)
    expected = cdist(p.numpy(), q.numpy(), "jensenshannon")
    torch.testing.assert_close(pairwise(jensen_shannon, p, q), torch.tensor(expected))
    torch.testing.assert_close(entropy(p), torch.tensor(scipy_entropy(p.numpy().T)))


def test_jensen_shannon_sees_small_differences_in_float32() -> None:
    p, q = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.2001, 0.2999, 0.5])
    exact = float(jensen_shannon(p.double(), q.double()))
    assert jensen_shannon(p, q).dtype == torch.float32
    assert float(jensen_shannon(p, q)) == pytest.approx(exact, rel=1e-5)
    assert exact > 5e-5


@metrics
@laws_of_points
@settings(max_examples=30)
def test_a_metric_obeys_the_four_axioms(
    name: str, distance: Distance, seed: int, spread: float, shift: float
) -> None:
    x, y, z = (domain(name, points(20, seed + i, spread, shift)) for i in range(3))
    slack = 1e-9 * (1 + spread + abs(shift)) + (1e-7 if name == "jensen_shannon" else 0)
    assert bool((distance(x, y) >= 0).all())
    assert bool((distance(x, x) <= slack).all())
    different = (x - y).abs().amax(-1) > 1e-3
    assert bool((distance(x, y) > 0)[different].all())
    torch.testing.assert_close(distance(x, y), distance(y, x))
    assert bool((distance(x, z) <= distance(x, y) + distance(y, z) + slack).all())


def test_the_squared_distance_breaks_the_triangle_inequality() -> None:
    x, y, z = (torch.tensor([v]) for v in (0.0, 1.0, 2.0))
    assert squared_euclidean(x, z) > squared_euclidean(x, y) + squared_euclidean(y, z)


def test_the_cosine_breaks_two_axioms() -> None:
    x, y, z = (torch.tensor(v) for v in ([1.0, 0.0], [1.0, 1.0], [0.0, 1.0]))
    assert cosine_distance(x, z) > cosine_distance(x, y) + cosine_distance(y, z)
    assert cosine_distance(x, 2 * x) == 0  # and yet x is not 2x


@pytest.mark.parametrize("angle", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_cosine_of_a_small_angle_keeps_its_digits(
    angle: float, dtype: torch.dtype
) -> None:
    x, y = torch.tensor([[1.0, 0.0], [1.0, angle]], dtype=dtype)
    expected = 1 - 1 / math.hypot(1.0, angle) if angle > 1e-3 else angle**2 / 2
    assert float(cosine_distance(5 * x, y)) == pytest.approx(expected, 1e-4, 0)


@pytest.mark.parametrize(
    ("p", "distance"), [(1.0, manhattan), (2.0, euclidean), (float("inf"), chebyshev)]
)
def test_minkowski_holds_its_neighbours(p: float, distance: Distance) -> None:
    x, y = points(9, 0), points(9, 1)
    torch.testing.assert_close(minkowski(x, y, p), distance(x, y))


@pytest.mark.parametrize("p", [0.5, float("nan")])
def test_minkowski_refuses_what_is_no_metric(p: float) -> None:
    with pytest.raises(ValueError, match="p of minkowski must be at least 1"):
        minkowski(torch.zeros(1), torch.zeros(1), p)


def test_mahalanobis_with_unit_covariance_is_euclidean() -> None:
    x, y = points(9, 0), points(9, 1)
    unit = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(mahalanobis(x, y, unit), euclidean(x, y))


def test_mahalanobis_refuses_a_direction_without_spread() -> None:
    flat = torch.diag(torch.tensor([1.0, 0.0]))
    with pytest.raises(ValueError, match="positive definite"):
        mahalanobis(torch.zeros(2), torch.ones(2), flat)


@pytest.mark.parametrize(
    ("distance", "value"),
    [
        *((d, 0.0) for name, d in METRICS if name != "jensen_shannon"),
        *((d, 0.25) for _, d in METRICS),  # a law needs probabilities
        (squared_euclidean, 0.0),
        (cosine_distance, 0.0),
        (cosine_distance, 0.25),
    ],
)
def test_distances_of_equal_points_have_finite_gradients(
    distance: Distance, value: float
) -> None:
    x = torch.tensor([[value, value, 2 * value]], dtype=torch.float64)
    x.requires_grad_(True)
    distance(x, x.detach()).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


@pytest.mark.parametrize("size", [1e-300, 1e-20, 1.0, 1e300])
def test_the_angle_does_not_depend_on_the_size(size: float) -> None:
    x, y = points(9, 0), points(9, 1)
    torch.testing.assert_close(cosine_distance(size * x, y), cosine_distance(x, y))
    assert float(cosine_distance(0 * x[0], y[0])) == 1.0


def test_mahalanobis_of_all_pairs_needs_no_copy_of_the_covariance_per_pair() -> None:
    d = 64
    x, y = torch.randn(40, d), torch.randn(50, d)
    sigma = torch.eye(d) + 0.1
    with profile(profile_memory=True) as seen:
        pairwise(partial(mahalanobis, covariance=sigma), x, y)
    largest = max(event.self_cpu_memory_usage for event in seen.events())
    assert 0 < largest <= 4 * 40 * 50 * d
