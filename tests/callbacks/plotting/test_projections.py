"""Projections onto the plane."""

import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from callbacks.plotting.projections import neighbour_plane, principal_plane


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) * torch.arange(1.0, d + 1)


@pytest.mark.parametrize(("n", "d"), [(50, 2), (50, 7), (8, 30)])
def test_the_principal_plane_is_that_of_scikit_learn(n: int, d: int) -> None:
    x = cloud(n, d) + 100
    points, share = principal_plane(x)
    reference = PCA(2, svd_solver="full").fit(x.double().numpy())
    expected = torch.from_numpy(reference.transform(x.double().numpy()))
    torch.testing.assert_close(points.abs(), expected.abs())
    assert share == pytest.approx(reference.explained_variance_ratio_.sum())


def test_the_principal_plane_of_a_mirrored_cloud_is_mirrored() -> None:
    """Axes point to where their largest entry grows, whatever the rows."""
    x = cloud(40, 3)
    points, mirrored = principal_plane(x)[0], principal_plane(-x)[0]
    torch.testing.assert_close(points, -mirrored)
    assert torch.corrcoef(torch.stack([points[:, 0], x[:, 2].double()]))[0, 1] > 0


def test_rows_of_one_coordinate_lie_on_a_line_and_equal_rows_on_a_point() -> None:
    points, share = principal_plane(torch.tensor([[1.0], [3.0]]))
    torch.testing.assert_close(points, torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).double())
    assert share == pytest.approx(1.0)
    points, share = principal_plane(torch.ones(5, 3))
    assert not points.any()
    assert share == 1.0


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_neighbours_stay_neighbours_in_any_unit(unit: float) -> None:
    """Of two far clusters, each row's nearest is of its own."""
    x = unit * (cloud(60, 8) + 100 * (torch.arange(60) % 2)[:, None])
    points = neighbour_plane(x, principal_plane(x)[0])
    apart = torch.cdist(points, points).fill_diagonal_(torch.inf)
    assert (apart.argmin(dim=1) % 2 == torch.arange(60) % 2).all()
    assert points.equal(neighbour_plane(x, principal_plane(x)[0]))


@pytest.mark.parametrize(
    "x", [torch.zeros(30, 3), torch.ones(30, 3), cloud(4, 3), 1e30 * cloud(5, 1)]
)
def test_neighbours_are_drawn_of_few_equal_and_enormous_rows(x: Tensor) -> None:
    points = neighbour_plane(x, principal_plane(x)[0])
    assert points.shape == (len(x), 2)
    assert points.isfinite().all()
