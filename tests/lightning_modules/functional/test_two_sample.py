import numpy as np
import pytest
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from lightning_modules.functional.two_sample import (
    distinct_nearest_rows,
    nearest_neighbour_two_sample_accuracy,
    nearest_rows,
)


def points(n: int, seed: int, d: int = 3) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block", [7, 1024])
def test_accuracy_agrees_with_scikit_learn_leave_one_out(block: int) -> None:
    x, y = points(40, 0), points(40, 1) + 0.7
    theirs = cross_val_score(
        KNeighborsClassifier(1),
        np.concatenate([x, y]),
        np.repeat([0, 1], 40),
        cv=LeaveOneOut(),
    ).mean()
    assert nearest_neighbour_two_sample_accuracy(x, y, block) == pytest.approx(theirs)


def test_equal_distributions_cannot_be_told_apart() -> None:
    accuracy = nearest_neighbour_two_sample_accuracy(points(1000, 0), points(1000, 1))
    assert accuracy == pytest.approx(0.5, abs=0.05)


def test_distant_distributions_are_told_apart_always() -> None:
    assert nearest_neighbour_two_sample_accuracy(points(9, 0), points(9, 1) + 99) == 1.0


def test_a_copied_set_is_given_away_by_an_accuracy_of_zero() -> None:
    x = points(50, 0)
    assert nearest_neighbour_two_sample_accuracy(x, x + 1e-6) == 0.0


@pytest.mark.parametrize("block", [3, 1024])
def test_nearest_rows_agree_with_a_full_table(block: int) -> None:
    x, y = points(20, 0), points(30, 1)
    expected = torch.cdist(x, y).argmin(dim=1)
    assert nearest_rows(x, y, block).equal(expected)


def test_a_generator_that_knows_three_rows_uses_three() -> None:
    rows = points(40, 0)
    samples = rows[[3, 7, 20]].repeat(10, 1) + 1e-4 * points(30, 1)
    assert distinct_nearest_rows(samples, rows) == 3
    assert distinct_nearest_rows(rows, rows) == 40
