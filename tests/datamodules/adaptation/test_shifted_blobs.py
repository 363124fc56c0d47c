"""The toy of WDGRL against the numbers of its authors."""

import math
from typing import Any

import pytest
import torch

from datamodules.adaptation.shifted_blobs import ShiftedBlobs
from tests.support.dense_domains import Labelled, Parts, batches, equal, parts


def drawn(**options: Any) -> Parts:
    return parts(ShiftedBlobs(**options))


def centres(rows: Labelled) -> list[list[float]]:
    return [rows.x[rows.y == label].mean(0).tolist() for label in (0, 1)]


def test_the_centres_are_those_of_the_authors() -> None:
    found = drawn(n_val=20_000, n_test=20_000)
    for rows, expected in (
        (found.source_val, [[0, 0], [0, 10]]),
        (found.target_test, [[50, -20], [50, -10]]),
    ):
        for centre, published in zip(centres(rows), expected, strict=True):
            assert centre == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize("std", [1.0, 1.5])
def test_points_scatter_as_wide_as_stated_in_every_direction(std: float) -> None:
    found = drawn(n_train=40_000, std=std)
    offset = found.source.x.clone()
    offset[:, 1] -= 10 * found.source.y
    assert torch.allclose(offset.T.cov(), std**2 * torch.eye(2), atol=0.06)
    share = (offset.norm(dim=1) < std).float().mean().item()
    assert share == pytest.approx(1 - math.exp(-0.5), abs=0.01)


def test_defaults_are_those_of_the_authors() -> None:
    source_x, source_y, target_x = batches(ShiftedBlobs())[0]
    assert source_x.shape == target_x.shape == (32, 2)
    assert source_y.shape == (32,)
    assert source_x.dtype == torch.float32
    assert len(drawn().source.x) == len(drawn().target) == 3_000


def test_the_line_between_the_classes_of_the_source_gives_the_target_one_label() -> (
    None
):
    found = drawn()
    assert ((found.source.x[:, 1] > 5).long() == found.source.y).all()
    assert (found.target[:, 1] < 5).all()


@pytest.mark.parametrize(("n", "counts"), [(10, [5, 5]), (7, [4, 3])])
def test_both_classes_are_equally_large(n: int, counts: list[int]) -> None:
    found = drawn(n_train=n, n_val=n, n_test=n)
    for rows in (found.source, found.source_val, found.target_test):
        assert rows.y.bincount().tolist() == counts


def test_the_target_is_the_source_moved() -> None:
    near, far = drawn(), drawn(shift=(1.0, 2.0))
    moved = far.target - torch.tensor([1.0, 2.0])
    assert torch.allclose(near.target - torch.tensor([50.0, -20.0]), moved, atol=1e-5)
    assert torch.equal(near.source.x, far.source.x)


def test_the_four_sets_and_two_seeds_share_no_point() -> None:
    points = set()
    for seed in (0, 1):
        found = drawn(n_train=100, n_val=100, n_test=100, shift=(0.0, 0.0), seed=seed)
        sets = (found.source.x, found.source_val.x, found.target, found.target_test.x)
        points |= {tuple(row) for part in sets for row in part.tolist()}
    assert len(points) == 2 * 4 * 100
    assert torch.equal(drawn(seed=3).source.x, drawn(seed=3).source.x)


def test_batches_do_not_depend_on_the_number_of_workers() -> None:
    runs = [batches(ShiftedBlobs(num_workers=w, n_train=100)) for w in (0, 2)]
    assert equal(*runs)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_train", 0),
        ("n_val", 0),
        ("n_test", -1),
        ("std", 0.0),
        ("std", math.nan),
        ("gap", math.inf),
    ],
)
def test_empty_sets_and_widths_that_are_not_positive_are_refused(
    key: str, value: float
) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} must be .*, got '?{value}"):
        ShiftedBlobs(**{key: value})  # type: ignore[arg-type]
