"""Judges of a classifier without target labels: clusters, weighted source rows."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_modules.adaptation import clusters
from lightning_modules.adaptation.clusters import TargetClusters
from lightning_modules.adaptation.importance import density_ratios, weighted_accuracy
from lightning_modules.data_contracts.sparse_rows import SparseRows

K, EACH = 4, 30


def groups(columns: int) -> tuple[Tensor, Tensor]:
    """Rows in clear groups, and the group of each."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(K * EACH) % K
    centres = 20 * torch.randn(K, columns, generator=g)
    return centres[y] + torch.randn(len(y), columns, generator=g), y


@pytest.mark.parametrize("columns", [2, 200])
def test_classes_agree_less_the_more_groups_they_cut_through(columns: int) -> None:
    x, y = groups(columns)
    target = TargetClusters(x, K)
    merged, half = y.clamp_max(K - 2), torch.arange(len(y)) < len(y) // 2
    cut = torch.where(half, y, (y + 1) % K)
    scores = [target.agreement(classes) for classes in (y, merged, cut)]
    assert scores[0] > scores[1] > scores[2]
    assert scores[0] > 0.7


def test_names_of_classes_do_not_matter_and_one_class_says_nothing() -> None:
    x, y = groups(2)
    target = TargetClusters(x, K)
    other = torch.tensor([2, 0, 3, 1])[y]
    assert target.agreement(other) == pytest.approx(target.agreement(y))
    assert target.agreement(torch.zeros_like(y)) == pytest.approx(0, abs=1e-9)
    g = torch.Generator().manual_seed(1)
    random = [torch.randint(K, y.shape, generator=g) for _ in range(20)]
    mean = sum(map(target.agreement, random)) / len(random)
    assert mean == pytest.approx(0, abs=0.02)


def test_sparse_rows_and_images_are_clustered_like_dense_rows() -> None:
    x, y = groups(64)
    x = x.relu()
    dense = TargetClusters(x, K).agreement(y)
    assert TargetClusters(SparseRows.from_dense(x), K).agreement(y) == pytest.approx(
        dense, abs=0.1
    )
    assert TargetClusters(x.view(-1, 1, 8, 8), K).agreement(y) == dense


def test_rows_in_the_order_of_their_classes_are_judged_like_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where only some serve, these are not the first classes."""
    monkeypatch.setattr(clusters, "LARGEST", 40)
    x, y = groups(2)
    order = y.argsort()
    target = TargetClusters(x[order], K)
    assert target.n == 40
    assert target.agreement(y[order]) > 0.7
    assert target.agreement(torch.zeros_like(y)) == pytest.approx(0, abs=1e-9)
    half = (y[order] >= K // 2).long()
    assert 0.1 < target.agreement(half) < target.agreement(y[order])
    source, shifted = torch.randn(400, 1).sort(0).values, torch.randn(400, 1) + 1
    found = density_ratios(source, shifted.sort(0).values, torch.zeros(1, 1))
    assert np.log(found) == pytest.approx(-0.5, abs=0.8)


def test_fewer_rows_than_clusters_are_enough() -> None:
    target = TargetClusters(torch.randn(5, 3), n_classes=K)
    assert target.agreement(torch.arange(5)) <= 1


def test_the_error_of_a_gain_is_that_of_the_rows() -> None:
    x, y = groups(2)
    target = TargetClusters(x, K)
    assert target.error_of_gain(y, y) == 0
    half = torch.where(torch.arange(len(y)) % 2 == 0, y, (y + 1) % K)
    error = target.error_of_gain(y, half)
    assert 0 < error < 0.1
    few = TargetClusters(x[:30], K).error_of_gain(y[:30], half[:30])
    assert few > error


# Weighted source rows -----------------------------------------------------------------


def test_weights_are_the_ratio_of_two_normal_densities() -> None:
    """N(1, 1) over N(0, 1) at x is exp(x - 1/2), whatever the numbers of rows."""
    g = torch.Generator().manual_seed(0)
    source, target = torch.randn(4_000, 1, generator=g), torch.randn(1_000, 1) + 1
    rows = torch.linspace(-2, 3, 11)[:, None]
    found = density_ratios(source, target, rows)
    assert np.log(found) == pytest.approx(rows[:, 0].numpy() - 0.5, abs=0.25)


def test_domains_that_are_alike_give_the_plain_accuracy() -> None:
    x = torch.randn(500, 3)
    right = torch.arange(500) % 5 != 0
    found = weighted_accuracy(right, density_ratios(x, x, x))
    assert found == pytest.approx((0.8, 0.8), abs=1e-6)


def test_both_estimate_the_accuracy_on_a_target_of_another_density() -> None:
    """A classifier that errs where x is above 1; the control variate scatters less."""
    g = torch.Generator().manual_seed(1)
    truth = 0.5  # of N(1, 1)
    estimates = []
    for _ in range(30):
        source = torch.randn(400, 1, generator=g)
        target = torch.randn(400, 1, generator=g) + 1
        held_out = torch.randn(400, 1, generator=g)
        ratios = density_ratios(source, target, held_out)
        estimates.append(weighted_accuracy(held_out[:, 0] < 1, ratios))
    iwcv, dev = np.transpose(estimates)
    assert iwcv.mean() == pytest.approx(truth, abs=0.06)
    assert dev.mean() == pytest.approx(truth, abs=0.06)
    assert dev.std() < 0.8 * iwcv.std()
    assert (torch.randn(4_000, generator=g) < 1).float().mean() > truth + 0.3


def test_the_control_variate_is_that_of_the_paper() -> None:
    weights = np.array([0.5, 2.0, 1.0, 3.0, 0.1])
    right = torch.tensor([True, False, True, False, True])
    losses = weights * np.array([0.0, 1, 0, 1, 0])
    eta = -np.cov(losses, weights)[0, 1] / weights.var(ddof=1)
    risk = losses.mean() + eta * weights.mean() - eta
    found = weighted_accuracy(right, weights)
    assert found == pytest.approx((1 - losses.mean(), 1 - risk))
