"""Point clouds are what is published."""

import math

import pytest
import torch

from datamodules import PointClouds
from datamodules.generative.point_clouds import CloudName


@pytest.mark.parametrize(
    ("name", "k", "farthest", "nearest", "std"),
    [
        ("gaussians8", 8, 2 / 1.414, 2 / 1.414, 0.02 / 1.414),
        ("gaussians25", 25, math.sqrt(32) / 2.828, 0.0, 0.05 / 2.828),
        ("ring8", 8, 1.0, 1.0, 0.01),
        ("grid25", 25, math.sqrt(32) / 2.828, 0.0, 0.05 / 2.828),
    ],
)
def test_mixtures_have_the_published_centres_and_widths(
    name: CloudName, k: int, farthest: float, nearest: float, std: float
) -> None:
    data = PointClouds(name)
    modes = data.modes
    assert modes is not None
    assert len({tuple(m) for m in modes.tolist()}) == len(modes) == k
    assert modes.norm(dim=1).max().item() == pytest.approx(farthest, rel=1e-6)
    assert modes.norm(dim=1).min().item() == pytest.approx(nearest, abs=1e-6)
    assert data.mode_std == pytest.approx(std)


@pytest.mark.parametrize("name", ["gaussians8", "gaussians25", "ring8", "grid25"])
def test_points_scatter_around_their_modes_as_stated(name: CloudName) -> None:
    data = PointClouds(name, n_train=40_000)
    x = data.real("train")
    assert data.modes is not None
    offset = (x - data.modes[data.train_set.y]) / data.mode_std
    within = (offset.norm(dim=1) <= 3).float().mean().item()
    assert offset.std().item() == pytest.approx(1, abs=0.02)
    assert within == pytest.approx(1 - math.exp(-4.5), abs=0.003)
    shares = data.train_set.y.bincount() / len(x)
    assert torch.allclose(
        shares, torch.full_like(shares, 1 / len(data.modes)), atol=0.01
    )


def test_the_swiss_roll_is_a_spiral_of_the_published_size() -> None:
    data = PointClouds("swiss_roll", n_train=20_000)
    x = data.real("train").double() * 7.5
    radius = x.norm(dim=1)
    assert data.modes is None
    assert 1.5 * math.pi - 1.5 < radius.min() < radius.max() < 4.5 * math.pi + 1.5
    # on the roll (t cos t, t sin t) the radius is the angle, up to whole turns
    turns = (radius - torch.atan2(x[:, 1], x[:, 0])) / (2 * math.pi)
    off = (turns - turns.round()).abs() * 2 * math.pi
    assert off.mean() < 0.3


@pytest.mark.parametrize("name", ["ring8", "swiss_roll"])
def test_the_three_sets_and_two_seeds_share_no_point(name: CloudName) -> None:
    drawn = [
        data.real(split, 100)
        for data in (PointClouds(name, n_train=100), PointClouds(name, seed=1))
        for split in ("train", "val", "test")
    ]
    points = {tuple(p) for part in drawn for p in part.tolist()}
    assert len(points) == 600
    again = PointClouds(name, n_train=100)
    assert torch.equal(again.real("train"), drawn[0])


def test_scale_divides_points_modes_and_width_alike() -> None:
    raw, scaled = PointClouds("ring8"), PointClouds("ring8", scale=4.0)
    assert raw.modes is not None
    assert scaled.modes is not None
    assert torch.allclose(raw.modes, 4 * scaled.modes)
    assert torch.allclose(raw.real("val"), 4 * scaled.real("val"), atol=1e-6)


@pytest.mark.parametrize(
    ("key", "value"), [("n_train", 0), ("n_val", 0), ("n_test", -1), ("scale", 0.0)]
)
def test_empty_clouds_and_scales_that_are_not_positive_are_refused(
    key: str, value: float
) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} must be .*, got '?{value}"):
        PointClouds("ring8", **{key: value})  # type: ignore[arg-type]
