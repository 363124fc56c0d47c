"""Scatter plots and histograms show what they are given."""

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from callbacks.plotting.images import Pixels
from callbacks.plotting.plots import finite, histogram, scatter, subject
from datamodules import ImageFolder
from tests.support.trainers import QUIET_TRAINER


def reddish(picture: Pixels) -> int:
    return int((picture[..., 0].astype(int) - picture[..., 1] > 60).sum())


def test_generated_points_are_drawn_in_red_over_real_ones() -> None:
    real = torch.rand(300, 2, generator=torch.Generator().manual_seed(0))
    both = scatter(real, real, "step 1")
    away = scatter(real, torch.full((300, 2), 9.0), "step 1")
    assert reddish(both) > 1000
    assert reddish(away) < 100  # the legend's dot
    assert both.shape == (640, 640, 3)


def test_the_frame_follows_the_real_points_alone() -> None:
    real = torch.rand(300, 2, generator=torch.Generator().manual_seed(0))
    near = scatter(real, real, "t")
    far = scatter(real, torch.cat([real, torch.full((1, 2), 1e6)]), "t")
    body = slice(120, 600)  # below title and legend
    assert (near[body] == far[body]).mean() > 0.99


def test_points_of_another_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n, 2\), not \(4, 3\)"):
        scatter(torch.zeros(4, 2), torch.zeros(4, 3), "t")


def test_one_real_point_still_has_a_frame() -> None:
    assert scatter(torch.zeros(1, 2), torch.zeros(1, 2), "t").std() > 0


def test_a_histogram_has_bars_where_the_values_are() -> None:
    picture = histogram(torch.cat([-torch.ones(1000), torch.ones(10)]), "t", "weight")
    blue = np.abs(picture.astype(int) - [48, 99, 142]).sum(axis=2) < 30
    heights = blue.sum(axis=0)
    bars = np.flatnonzero(heights)
    assert bars.max() - bars.min() > 400  # at either end,
    assert heights[bars.min() + 20 : bars.max() - 20].sum() == 0  # nothing between,
    assert heights[bars.min() + 2] > 1.5 * heights[bars.max() - 2]  # and unequal


def test_marks_and_broken_values_do_not_stop_a_histogram() -> None:
    values = torch.tensor([0.0, float("nan"), float("inf"), 1.0])
    assert finite(values).tolist() == [0.0, 1.0]
    plain = histogram(values, "t", "w")
    marked = histogram(values, "t", "w", marks=(0.5,))
    assert reddish(marked) > reddish(plain) + 50


def test_a_title_names_a_folder_that_is_not_utf_8_by_its_bytes() -> None:
    trainer = Trainer(**QUIET_TRAINER)
    trainer.datamodule = ImageFolder("caf\udce9")  # type: ignore[attr-defined]
    title = subject(trainer, LightningModule())
    assert title == r"LightningModule on ImageFolder caf\xe9"
    histogram(torch.zeros(2), title, "weight")
