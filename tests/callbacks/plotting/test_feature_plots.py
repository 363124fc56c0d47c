"""Plots of features, their legends and names."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from callbacks.plotting.feature_plots import (
    COLOURS,
    LONGEST,
    Labelled,
    feature_map,
    short_names,
)
from tests.support.adapting import NAMES

GREY = "#9aa3ad"


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
