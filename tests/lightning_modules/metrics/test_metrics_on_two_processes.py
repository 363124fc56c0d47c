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
    ProxyADistance,
    SlicedWassersteinDistance,
    WassersteinDistance,
    feature_scores,
)
from lightning_modules.metrics.thinning import row_keys
from tests.support.processes import on_two_ranks

MODES = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
X = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
Y = torch.randn(60, 2, generator=torch.Generator().manual_seed(1)) + 1

Measure = Callable[[Tensor, Tensor], Any]


def distance(metric: Metric, x: Tensor, y: Tensor) -> float:
    """In several updates, whose number differs between processes."""
    for rows, real in ((x, True), (y, False)):
        for part in rows.split(7):  # type: ignore[no-untyped-call]
            metric.update(part, real=real)
    return float(metric.compute())


def rounded(*sets: Tensor) -> list[Tensor]:
    """Features as another batch size rounds them."""
    noise = torch.Generator().manual_seed(len(sets[0]))
    return [x * (1 + 1e-7 * torch.randn(x.shape, generator=noise)) for x in sets]


def keys_of_copies(rank: int) -> Tensor:
    del rank
    return row_keys(torch.zeros(5, 2))


def measures(x: Tensor, y: Tensor) -> dict[str, float]:
    coverage, shares = ModeCoverage(MODES, 0.5), ClassShares(2)
    coverage.update(x)
    shares.update(x)
    scores = feature_scores(x, y, y, kid_subset_size=60, kid_subsets=1)
    return {
        "exact": distance(WassersteinDistance(), x, y),
        "thinned": distance(WassersteinDistance(max_samples=15), x, y),
        "sliced": distance(SlicedWassersteinDistance(), x, y),
        "separable": distance(ProxyADistance(), *rounded(x, y)),
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


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_copies_of_a_row_on_two_processes_share_the_key_of_the_first_alone(
    tmp_path: Path,
) -> None:
    one, other = (set(keys.tolist()) for keys in on_two_ranks(keys_of_copies, tmp_path))
    assert len(one) == len(other) == 5
    assert one & other == set(row_keys(torch.zeros(1, 2)).tolist())
