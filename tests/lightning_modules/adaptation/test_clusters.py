"""Agreement of predicted classes with clusters of the target's rows."""

import pytest
import torch
from torch import Tensor

from lightning_modules.adaptation.clusters import TargetClusters
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
    clusters = TargetClusters(x, K)
    merged, half = y.clamp_max(K - 2), torch.arange(len(y)) < len(y) // 2
    cut = torch.where(half, y, (y + 1) % K)
    scores = [clusters.agreement(classes) for classes in (y, merged, cut)]
    assert scores[0] > scores[1] > scores[2]
    assert scores[0] > 0.7


def test_names_of_classes_do_not_matter_and_one_class_says_nothing() -> None:
    x, y = groups(2)
    clusters = TargetClusters(x, K)
    other = torch.tensor([2, 0, 3, 1])[y]
    assert clusters.agreement(other) == pytest.approx(clusters.agreement(y))
    assert clusters.agreement(torch.zeros_like(y)) == pytest.approx(0, abs=1e-9)
    g = torch.Generator().manual_seed(1)
    random = [torch.randint(K, y.shape, generator=g) for _ in range(20)]
    mean = sum(map(clusters.agreement, random)) / len(random)
    assert mean == pytest.approx(0, abs=0.02)


def test_sparse_rows_and_images_are_clustered_like_dense_rows() -> None:
    x, y = groups(64)
    x = x.relu()
    dense = TargetClusters(x, K).agreement(y)
    assert TargetClusters(SparseRows.from_dense(x), K).agreement(y) == pytest.approx(
        dense, abs=0.1
    )
    assert TargetClusters(x.view(-1, 1, 8, 8), K).agreement(y) == dense


def test_fewer_rows_than_clusters_are_enough() -> None:
    clusters = TargetClusters(torch.randn(5, 3), n_classes=K)
    assert clusters.agreement(torch.arange(5)) <= 1


def test_the_error_of_a_gain_is_that_of_the_rows() -> None:
    x, y = groups(2)
    clusters = TargetClusters(x, K)
    assert clusters.error_of_gain(y, y) == 0
    half = torch.where(torch.arange(len(y)) % 2 == 0, y, (y + 1) % K)
    error = clusters.error_of_gain(y, half)
    assert 0 < error < 0.1
    few = TargetClusters(x[:30], K).error_of_gain(y[:30], half[:30])
    assert few > error
