"""Plots of features, their legends and names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from scipy.spatial.distance import pdist
from torch import Tensor

from callbacks.plotting.feature_plots import (
    COLOURS,
    LONGEST,
    Labelled,
    feature_map,
    look,
    short_names,
)
from callbacks.plotting.plots import BLUE, GREY, RED
from tests.support.adapting import NAMES


@pytest.mark.parametrize(
    "names",
    [
        ["cat", "desktop_computer_a", "desktop_computer_b"],
        [f"very_long_{i}_and_just_as_long" for i in range(200)],
    ],
)
def test_names_that_are_cut_stay_apart(names: list[str]) -> None:
    found = short_names(names)
    assert len(set(found)) == len(names)
    assert max(map(len, found)) <= LONGEST


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) * torch.arange(1.0, d + 1)


def has(picture: Any, colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(picture.astype(int) - wanted).sum(axis=2) < 8).any())


@pytest.mark.parametrize("unknown", [True, False])
def test_the_legend_has_all_classes_even_those_without_a_point(unknown: bool) -> None:
    classes = torch.tensor([0, 1, -1 if unknown else 2, 0])
    rows = Labelled(classes, torch.tensor([0, 0, 1, 1]), list("abcdefghij"), ("s", "t"))
    picture = feature_map({"PCA": cloud(4, 2)}, rows, "step 0")
    below = picture[-picture.shape[0] // 8 :, : picture.shape[1] // 2]
    assert all(has(below, colour) for colour in COLOURS)
    assert has(below, GREY) is unknown


def test_both_panels_have_the_same_points_at_the_same_places() -> None:
    rows = Labelled(torch.tensor([7] * 40), torch.tensor([0, 1] * 20), ("a",) * 8, "st")
    picture = feature_map({"PCA": cloud(40, 2)}, rows, "")
    panels = np.split(picture[60:560].min(axis=2) < 200, 2, axis=1)
    inked = [np.argwhere(panel[:, 20:-20]) for panel in panels]
    for one, other in zip(inked[0].mean(axis=0), inked[1].mean(axis=0), strict=True):
        assert one == pytest.approx(other, abs=8)


def test_a_second_projection_makes_a_second_line_of_panels() -> None:
    rows = Labelled(torch.zeros(9).long(), torch.arange(9) % 2, NAMES, ("s", "t"))
    heights = [
        feature_map({name: cloud(9, 2) for name in names}, rows, "").shape[0]
        for names in (["PCA"], ["PCA", "t-SNE"])
    ]
    assert heights[1] - heights[0] == 570


def test_sixty_five_classes_with_long_and_strange_names_are_drawn() -> None:
    names = [rf"_$\oh$ {i} " + "x" * i for i in range(65)]
    rows = Labelled(torch.arange(65), torch.arange(65) % 2, names, ("s", "t" * 40))
    assert feature_map({"PCA": cloud(65, 2)}, rows, r"$\oh$").shape[1] == 1200


# Colours ------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1
DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
TO_XYZ = (
    (0.4125, 0.3576, 0.1804),
    (0.2127, 0.7152, 0.0722),
    (0.0193, 0.1192, 0.9503),
)
FAR = 13.0  # CIE 1976; orange and olive were 3.9 apart before


def lab(colours: Sequence[str], seen_as: Any) -> np.ndarray:
    """CIE L*a*b* (n, 3) of sRGB colours, as people with this matrix see them."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(seen_as).T, 0, 1)
    to_xyz = (
        (0.4125, 0.3576, 0.1804),
        (0.2127, 0.7152, 0.0722),
        (0.0193, 0.1192, 0.9503),
    )
    xyz = linear @ np.array(to_xyz).T / (0.9505, 1.0, 1.0888)
    small = (24389 / 27 * xyz + 16) / 116
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), small)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("seen_as", [np.eye(3), DEUTERANOPIA, PROTANOPIA])
@pytest.mark.parametrize("colours", [(*COLOURS, GREY), (RED, BLUE, GREY)])
def test_colours_are_told_apart_also_by_the_colour_blind(
    colours: Sequence[str], seen_as: Any
) -> None:
    apart = pdist(lab(colours, seen_as))
    assert apart.min() > FAR


def test_distances_of_colours_are_those_of_cie() -> None:
    white, blue = lab(["#ffffff", "#0000ff"], np.eye(3))
    np.testing.assert_allclose(white, [100, 0, 0], atol=0.1)
    np.testing.assert_allclose(blue, [32.3, 79.2, -107.9], atol=0.1)


def test_a_hundred_classes_look_different_and_ten_differ_in_colour_and_marker() -> None:
    looks = [look(label) for label in range(-1, 100)]
    assert len(set(looks)) == 101
    assert all(len(set(part)) == 11 for part in zip(*looks[:11], strict=True))


def test_names_that_are_not_utf_8_are_drawn_by_their_bytes() -> None:
    assert short_names(["caf\udce9", "mug"]) == [r"caf\xe9", "mug"]
