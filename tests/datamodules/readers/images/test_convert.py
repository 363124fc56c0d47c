"""Images of any size and colour in one form."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from datamodules.readers.images.convert import grey, same_form
from tests.support import digit_sets as sets

SHAPES = {
    "mnist": (1, 28, 28),
    "usps": (1, 16, 16),
    "mnist_m": (3, 32, 32),
    "svhn": (3, 32, 32),
}


def written(name: str, part: str) -> Tensor:
    channels, *size = SHAPES[name]
    if channels == 1:
        return torch.from_numpy(sets.pixels(part, *size))[:, None]
    return torch.from_numpy(sets.pixels(part, *size, 3)).permute(0, 3, 1, 2)


@given(
    size=st.sampled_from([16, 28, 32]),
    old=st.sampled_from([16, 28, 32]),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 99),
)
def test_sizes_change_as_in_pillow(
    size: int, old: int, channels: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (old, old, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    seen = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
    expected = torch.from_numpy(seen.copy()).view(size, size, channels)
    x = torch.from_numpy(pixels[..., :channels]).permute(2, 0, 1)[None]
    found = same_form(x, size, channels)[0].permute(1, 2, 0)
    off = (found.int() - expected.int()).abs()
    assert off.max() <= 2  # both round twice, to whole numbers, with short weights
    assert off.float().mean() < 0.2


def test_grey_is_the_luma_of_pillow() -> None:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (100, 100, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    found = grey(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0, 0]
    assert np.abs(found.numpy().astype(int) - expected).max() <= 1
    assert (found.numpy() == expected).mean() > 0.99


def test_colour_of_a_grey_image_is_three_times_the_same() -> None:
    x = written("mnist", "train")
    assert torch.equal(same_form(x, 28, 3), x.expand(-1, 3, -1, -1))


def test_many_images_are_converted_like_few() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (5_000, 3, 8, 8), generator=draw).to(torch.uint8)
    whole = same_form(x, 16, 1)
    assert torch.equal(whole[4_090:4_100], same_form(x[4_090:4_100], 16, 1))
