"""What two processes measure together is what one measures on everything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_modules.metrics import (
    ClassShares,
    ModeCoverage,
    SlicedWassersteinDistance,
    WassersteinDistance,
    feature_scores,
)
from tests.support.processes import on_two_ranks

MODES = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
X = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
Y = torch.randn(60, 2, generator=torch.Generator().manual_seed(1)) + 1

Measure = Callable[[Tensor, Tensor], Any]


def distance(metric: Metric, x: Tensor, y: Tensor) -> float:
    metric.update(x, real=True)
    metric.update(y, real=False)
    return float(metric.compute())


def measures(x: Tensor, y: Tensor) -> dict[str, float]:
    coverage, shares = ModeCoverage(MODES, 0.5), ClassShares(2)
    coverage.update(x)
    shares.update(x)
    scores = feature_scores(x, y, y, kid_subset_size=60, kid_subsets=1)
    return {
        "exact": distance(WassersteinDistance(), x, y),
        "thinned": distance(WassersteinDistance(max_samples=15), x, y),
        "sliced": distance(SlicedWassersteinDistance(), x, y),
        **{name: float(value) for name, value in coverage.compute().items()},
        "share": float(shares.compute()[0]),
        "fid": float(scores["fid"]),
        "kid": float(scores["kid"]),
    }


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("cut", [30, 13, 60], ids="rank 0 has {} of 60".format)
def test_two_processes_measure_what_one_measures_on_everything(
    tmp_path: Path, cut: int
) -> None:
    def own(rank: int) -> dict[str, float]:
        part = slice(cut) if rank == 0 else slice(cut, None)
        # The other order of processes, so that the joined rows arrive in another order.
        return measures(X.flip(0)[part], Y[part])

    expected = measures(X, Y)
    for found in on_two_ranks(own, tmp_path):
        assert found == pytest.approx(expected, rel=1e-4)
