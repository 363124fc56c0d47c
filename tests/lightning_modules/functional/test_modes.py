import math

import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from lightning_modules.functional.modes import (
    high_quality_counts,
    mode_coverage,
    reverse_kl_to_uniform,
)

GRID = torch.cartesian_prod(torch.arange(-4.0, 5, 2), torch.arange(-4.0, 5, 2))


def perfect_samples(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = GRID[torch.randint(25, (n,), generator=generator)]
    return centres + 0.05 * torch.randn(n, 2, generator=generator)


def test_a_perfect_sampler_has_all_modes_and_the_share_inside_three_deviations() -> (
    None
):
    found = mode_coverage(perfect_samples(200_000, 0), GRID, 0.05)
    assert int(found.modes) == 25
    # chi-square with 2 degrees: P(r > 3) = exp(-9/2); 4 standard errors
    assert float(found.high_quality) == pytest.approx(1 - math.exp(-4.5), abs=0.001)


def test_reverse_kl_of_a_perfect_sampler_is_24_over_twice_the_number_of_samples() -> (
    None
):
    values = [
        float(mode_coverage(perfect_samples(2500, seed), GRID, 0.05).reverse_kl)
        for seed in range(200)
    ]
    expected = 24 / (2 * 2500 * (1 - math.exp(-4.5)))
    # a chi-square of 24 degrees has a relative deviation of sqrt(2/24)
    error = 4 * expected * math.sqrt(2 / 24 / 200)
    assert sum(values) / 200 == pytest.approx(expected, abs=error)
    assert expected == pytest.approx(0.005, abs=2e-4)


def test_collapse_to_one_of_k_modes_costs_log_k() -> None:
    found = mode_coverage(GRID[:1].repeat(10, 1), GRID, 0.05)
    assert int(found.modes) == 1
    assert float(found.high_quality) == 1.0
    assert float(found.reverse_kl) == pytest.approx(math.log(25))


def test_model_stands_first_in_the_divergence() -> None:
    counts = torch.tensor([6, 3, 1, 0])
    expected = entropy([0.6, 0.3, 0.1, 0.0], [0.25] * 4)
    assert float(reverse_kl_to_uniform(counts)) == pytest.approx(expected)


def test_samples_between_the_modes_count_for_nothing_but_the_total() -> None:
    good, between = GRID[[0, 1]], torch.tensor([[1.0, 1.0], [-1.0, 3.0]])
    found = mode_coverage(torch.cat([good, between]), GRID, 0.05)
    assert int(found.modes) == 2
    assert float(found.high_quality) == 0.5
    assert float(found.reverse_kl) == pytest.approx(math.log(25 / 2))


def test_no_good_sample_at_all_gives_the_worst_divergence_not_nan() -> None:
    found = mode_coverage(torch.full((5, 2), 1.0), GRID, 0.05)
    assert int(found.modes) == 0
    assert float(found.high_quality) == 0.0
    assert float(found.reverse_kl) == pytest.approx(math.log(25))


def test_the_radius_counts_deviations_and_includes_its_edge() -> None:
    modes = torch.tensor([[0.0, 0.0]])
    samples = torch.tensor([[0.5, 0.0], [1.0, 0.0], [1.5, 0.0]])
    assert high_quality_counts(samples, modes, std=0.5, n_std=2.0).tolist() == [2]
    assert high_quality_counts(samples, modes, std=0.5, n_std=3.0).tolist() == [3]


def test_moving_and_scaling_everything_changes_nothing() -> None:
    samples = perfect_samples(500, 1)
    before = mode_coverage(samples, GRID, 0.05)
    after = mode_coverage(8 * (samples + 1), 8 * (GRID + 1), 0.4)
    torch.testing.assert_close(after, before, rtol=1e-6, atol=1e-6)


def test_an_empty_sample_set_is_refused() -> None:
    with pytest.raises(ValueError, match="No samples"):
        mode_coverage(torch.zeros(0, 2), GRID, 0.05)
