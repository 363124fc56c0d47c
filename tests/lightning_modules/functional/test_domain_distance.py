import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from lightning_modules.functional.domain_distance import proxy_a_distance


def cloud(n: int, d: int, seed: int, shift: float = 0.0) -> Tensor:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return x + shift * torch.eye(d)[0]


@pytest.mark.parametrize(("n", "m", "d"), [(20, 20, 1), (200, 30, 5)])
def test_distance_of_separable_domains_is_2(n: int, m: int, d: int) -> None:
    assert proxy_a_distance(cloud(n, d, 0), cloud(m, d, 1, shift=50.0)) == 2.0


@pytest.mark.parametrize(("n", "m"), [(40, 40), (400, 40)])
def test_distance_of_constant_features_is_0(n: int, m: int) -> None:
    """Whatever the classifier says, one domain is all right and the other all wrong."""
    assert proxy_a_distance(torch.ones(n, 2), torch.ones(m, 2)) == 0.0


@pytest.mark.parametrize("shift", [1.0, 2.0])
@pytest.mark.parametrize("m", [4000, 400])
def test_distance_of_two_gaussians_is_that_of_the_best_threshold(
    shift: float, m: int
) -> None:
    """It errs with probability Phi(-shift / 2) on either side, whatever n and m."""
    found = proxy_a_distance(cloud(4000, 2, 0), cloud(m, 2, 1, shift))
    expected = 2 * (1 - 2 * stats.norm.cdf(-shift / 2))
    assert found == pytest.approx(expected, abs=4 * math.sqrt(0.25 / m) * 4 / 2)


def test_distance_of_one_distribution_is_near_0_and_never_below() -> None:
    found = [
        proxy_a_distance(cloud(300, 3, s), cloud(300, 3, 100 + s)) for s in range(6)
    ]
    assert min(found) >= 0.0
    assert max(found) < 0.25


def test_distance_does_not_ask_for_units_nor_for_which_domain_is_the_source() -> None:
    x, y = cloud(100, 3, 0), cloud(100, 3, 1, shift=1.0)
    scale, place = torch.tensor([1e-3, 1.0, 1e3]), torch.tensor([5.0, 0.0, -1e4])
    expected = proxy_a_distance(x, y)
    assert 0.3 < expected < 1.5
    found = proxy_a_distance(x * scale + place, y * scale + place)
    assert found == pytest.approx(expected, abs=0.05)
    assert proxy_a_distance(y, x) == pytest.approx(expected, abs=0.1)


def test_one_seed_gives_one_distance_and_the_global_stream_stays() -> None:
    x, y = cloud(60, 3, 0), cloud(60, 3, 1, shift=1.0)
    before = torch.random.get_rng_state()
    found = {proxy_a_distance(x, y, seed=seed) for seed in (0, 0, 1, 2, 3)}
    assert proxy_a_distance(x, y, seed=1) == proxy_a_distance(x, y, seed=1)
    assert 1 < len(found) <= 4
    assert torch.random.get_rng_state().equal(before)


@pytest.mark.parametrize(
    ("n", "m", "folds", "sentence"),
    [
        (4, 9, 5, "5 folds needs as many rows of each domain, got 4 of the source"),
        (9, 2, 3, "3 folds needs as many .* and 2 of the target"),
        (9, 9, 1, "folds must be at least 2, got 1"),
    ],
)
def test_too_few_rows_or_folds_are_named(
    n: int, m: int, folds: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        proxy_a_distance(torch.zeros(n, 1), torch.zeros(m, 1), folds=folds)


def test_diverged_features_are_refused() -> None:
    with pytest.raises(ValueError, match="has training diverged"):
        proxy_a_distance(cloud(9, 2, 0), cloud(9, 2, 1) / 0)
