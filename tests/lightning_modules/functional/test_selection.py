import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from lightning_modules.functional import selection
from lightning_modules.functional.selection import (
    batch_nuclear_norm,
    information_maximisation,
    soft_neighbourhood_density,
    target_entropy,
)

SCORES: list[Callable[[Tensor], Tensor]] = [
    target_entropy,
    information_maximisation,
    soft_neighbourhood_density,
    batch_nuclear_norm,
]
scores = pytest.mark.parametrize("score", SCORES, ids=lambda f: f.__name__)
sizes = pytest.mark.parametrize(("n", "k"), [(4, 2), (30, 3), (50, 10)])


def logits(n: int, k: int, seed: int = 0, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, k, generator=generator)


def certain(classes: Tensor, k: int) -> Tensor:
    return 1000.0 * torch.nn.functional.one_hot(classes, k)


class Case:
    """Logits of any size and sharpness."""

    def __init__(self, n: int, k: int, seed: int, scale: float) -> None:
        self.n, self.k = n, k
        self.logits = logits(n, k, seed, scale)


cases = st.builds(
    Case, st.integers(2, 40), st.integers(1, 8), st.integers(0, 99), st.floats(0, 50)
)


# Entropy and mutual information -----------------------------------------------------


@sizes
def test_entropy_is_log_k_when_nothing_is_known_and_0_when_all_is(
    n: int, k: int
) -> None:
    assert float(target_entropy(torch.zeros(n, k))) == pytest.approx(math.log(k))
    assert float(target_entropy(certain(torch.arange(n) % k, k))) == 0.0


@given(cases)
def test_entropy_is_that_of_scipy(case: Case) -> None:
    p = case.logits.double().softmax(1).numpy()
    expected = stats.entropy(p, axis=1).mean()
    assert float(target_entropy(case.logits)) == pytest.approx(expected)


@given(cases)
def test_information_is_the_mean_divergence_from_the_mean_prediction(
    case: Case,
) -> None:
    p = case.logits.double().softmax(1).numpy()
    expected = stats.entropy(p, p.mean(0, keepdims=True), axis=1).mean()
    found = float(information_maximisation(case.logits))
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 <= found <= math.log(case.k) + 1e-12


@pytest.mark.parametrize("k", [2, 5])
def test_information_of_certain_predictions_is_the_entropy_of_the_classes_used(
    k: int,
) -> None:
    balanced = certain(torch.arange(10 * k) % k, k)
    assert float(information_maximisation(balanced)) == pytest.approx(math.log(k))
    one_class = certain(torch.zeros(10).long(), k)
    assert float(information_maximisation(one_class)) == 0.0


@given(cases)
def test_information_of_equal_predictions_is_0_and_never_below(case: Case) -> None:
    equal = case.logits[:1].expand(case.n, case.k)
    assert 0 <= float(information_maximisation(equal)) < 1e-12


# Nuclear norm -----------------------------------------------------------------------


@given(cases)
def test_nuclear_norm_is_that_of_the_singular_values(case: Case) -> None:
    p = case.logits.double().softmax(1).numpy()
    expected = np.linalg.norm(p, "nuc") / case.n
    found = float(batch_nuclear_norm(case.logits))
    assert found == pytest.approx(expected, rel=1e-6)
    low, high = (case.n * case.k) ** -0.5, (min(case.n, case.k) / case.n) ** 0.5
    assert low * (1 - 1e-6) <= found <= high * (1 + 1e-6)


@sizes
def test_nuclear_norm_reaches_its_bounds(n: int, k: int) -> None:
    flat, sharp = torch.zeros(n * k, k), certain(torch.arange(n * k) % k, k)
    assert float(batch_nuclear_norm(flat)) == pytest.approx(1 / (k * n**0.5))
    assert float(batch_nuclear_norm(sharp)) == pytest.approx(n**-0.5)


# Neighbourhoods ---------------------------------------------------------------------


@given(cases)
def test_density_of_equal_predictions_is_the_largest_there_is(case: Case) -> None:
    equal = case.logits[:1].expand(case.n, case.k)
    limit = math.log(case.n - 1)
    found = float(soft_neighbourhood_density(equal))
    assert found == pytest.approx(limit)
    assert float(soft_neighbourhood_density(case.logits)) <= limit + 1e-9


@pytest.mark.parametrize("temperature", [0.05, 1.0])
@pytest.mark.parametrize(("size", "k"), [(2, 2), (10, 3)])
def test_density_of_certain_clusters_is_the_entropy_of_two_weights(
    size: int, k: int, temperature: float
) -> None:
    """Each row sees size - 1 rows at similarity 1 and the other clusters at 0."""
    clusters = certain(torch.arange(size * k) % k, k)
    weights = np.array(
        [math.exp(1 / temperature)] * (size - 1) + [1.0] * (size * (k - 1))
    )
    found = float(soft_neighbourhood_density(clusters, temperature))
    assert found == pytest.approx(stats.entropy(weights))


@given(cases)
def test_density_is_that_of_a_loop_over_rows(case: Case) -> None:
    p = case.logits.double().softmax(1).numpy()
    unit = p / np.linalg.norm(p, axis=1, keepdims=True)
    found = []
    for i in range(case.n):
        others = np.delete(unit, i, axis=0)
        found.append(stats.entropy(np.exp(others @ unit[i] / 0.05)))
    expected = pytest.approx(np.mean(found), abs=1e-9)
    assert float(soft_neighbourhood_density(case.logits)) == expected


@pytest.mark.parametrize("entries", [1, 70, 10**6])
def test_density_does_not_depend_on_how_many_rows_are_compared_at_once(
    entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = soft_neighbourhood_density(logits(50, 4))
    monkeypatch.setattr(selection, "_ENTRIES", entries)
    torch.testing.assert_close(soft_neighbourhood_density(logits(50, 4)), expected)


# All of them ------------------------------------------------------------------------


@scores
def test_scores_ask_neither_for_the_order_of_rows_nor_for_that_of_classes(
    score: Callable[[Tensor], Tensor],
) -> None:
    x = logits(20, 5)
    torch.testing.assert_close(score(x), score(x.flip(0)))
    torch.testing.assert_close(score(x), score(x.flip(1)))


@scores
def test_a_class_that_is_ruled_out_counts_nothing(
    score: Callable[[Tensor], Tensor],
) -> None:
    x = logits(20, 3)
    ruled_out = torch.cat([x, torch.full((20, 1), -torch.inf)], dim=1)
    torch.testing.assert_close(score(ruled_out), score(x))


@scores
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_diverged_logits_are_refused(
    score: Callable[[Tensor], Tensor], bad: float
) -> None:
    x = logits(5, 3)
    x[2, 1] = bad
    with pytest.raises(ValueError, match="has training diverged"):
        score(x)


@scores
def test_no_rows_have_no_score(score: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(
        ValueError, match=r"at least one row|needs at least two rows, got 0"
    ):
        score(torch.zeros(0, 3))


def test_a_row_alone_has_no_neighbourhood() -> None:
    with pytest.raises(ValueError, match="needs at least two rows, got 1"):
        soft_neighbourhood_density(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        soft_neighbourhood_density(torch.zeros(3, 3), temperature=0.0)
