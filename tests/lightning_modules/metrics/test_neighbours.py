"""k-nearest-neighbour accuracy, beside a loop."""

import pytest
import torch
from torch import Tensor

from lightning_modules.metrics.neighbours import NearestNeighbourAccuracy


def rows(seed: int, n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, generator=generator), torch.randint(
        0, 3, (n,), generator=generator
    )


@pytest.mark.parametrize("k", [1, 3, 4])
@pytest.mark.parametrize(("distance", "p"), [("euclidean", 2.0), ("manhattan", 1.0)])
def test_the_share_is_that_of_a_loop(k: int, distance: str, p: float) -> None:
    known, asked = rows(0, 40), rows(1, 30)
    metric = NearestNeighbourAccuracy(k, distance)  # type: ignore[arg-type]
    for part in (slice(0, 7), slice(7, None)):
        metric.update(known[0][part], known[1][part], reference=True)
    metric.update(*asked, reference=False)
    nearest = torch.cdist(asked[0], known[0], p).topk(k, largest=False).indices
    votes = torch.stack([torch.bincount(known[1][row], minlength=3) for row in nearest])
    hits = votes.argmax(1) == asked[1]  # the smaller class wins a tie
    assert float(metric.compute()) == pytest.approx(float(hits.float().mean()))


def test_points_that_are_not_finite_have_no_accuracy() -> None:
    metric = NearestNeighbourAccuracy(1)
    metric.update(torch.tensor([[float("nan")]]), torch.tensor([0]), reference=True)
    metric.update(torch.zeros(1, 1), torch.tensor([0]), reference=False)
    assert metric.compute().isnan()


def test_more_neighbours_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="k must be at least 1"):
        NearestNeighbourAccuracy(0)
    metric = NearestNeighbourAccuracy(3)
    metric.update(*rows(0, 2), reference=True)
    metric.update(*rows(1, 2), reference=False)
    with pytest.raises(ValueError, match="k is 3, but there are 2 reference rows"):
        metric.compute()
