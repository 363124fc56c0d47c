"""Digits and point clouds against what is known about them."""

import math

import pytest
import torch
from sklearn.datasets import load_digits

from datamodules import Digits, PointClouds
from datamodules.generative.point_clouds import CloudName


def test_the_digits_are_those_of_scikit_learn_cut_in_two() -> None:
    data = Digits()
    both = torch.cat([data.real("train"), data.real("test")])
    pixels = load_digits().data.reshape(-1, 1, 8, 8) / 8 - 1
    expected = torch.from_numpy(pixels).float()
    assert (len(data.train_set), len(data.test_set)) == (899, 898)
    assert both.shape[1:] == data.shape
    assert sorted(both.flatten(1).tolist()) == sorted(expected.flatten(1).tolist())


def test_labels_stay_with_their_digits() -> None:
    data = Digits()
    pixels, labels = load_digits(return_X_y=True)
    label_of = {
        tuple(row): label for row, label in zip(pixels.tolist(), labels, strict=True)
    }
    data.setup("fit")
    for x, y in data.train_dataloader():
        rows = x.flatten(1).double().tolist()
        assert [label_of[tuple(row)] for row in rows] == y.tolist()


def test_the_halves_do_not_depend_on_the_seed_and_hold_all_classes() -> None:
    first, second = Digits(seed=0), Digits(seed=1)
    assert torch.equal(first.real("train"), second.real("train"))
    assert (first.train_set.y.bincount() > 60).all()


def test_with_none_held_out_all_digits_serve_for_everything() -> None:
    data = Digits(n_held_out=0)
    assert len(data.real("train")) == len(data.real("test")) == 1797


@pytest.mark.parametrize("n_held_out", [-1, 1797])
def test_holding_out_all_digits_or_fewer_than_none_is_refused(n_held_out: int) -> None:
    with pytest.raises(ValueError, match=r"data\.n_held_out (is|must be)"):
        Digits(n_held_out=n_held_out)


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
