"""Images of any size and colour in one form."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from datamodules.readers.images.convert import grey, same_form
from datamodules.readers.images.digit_box import in_mnist_box
from tests.support import digit_sets as sets

seeds = st.integers(0, 99)
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


# Digits in MNIST's box ----------------------------------------------------------------


def ink(size: int, seed: int = 0) -> torch.Tensor:
    """Grey strokes that fill a square, none fainter than half."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(128, 256, (size, size), generator=generator).to(torch.uint8)


def on_black(digit: torch.Tensor, size: int, top: int, left: int) -> torch.Tensor:
    image = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    height, width = digit.shape
    image[0, 0, top : top + height, left : left + width] = digit
    return image


@given(
    top=st.integers(0, 20), left=st.integers(0, 20), height=st.integers(2, 12), s=seeds
)
def test_where_a_digit_lies_does_not_matter(
    top: int, left: int, height: int, s: int
) -> None:
    digit = ink(12, s)[:height]
    here, there = (
        in_mnist_box(on_black(digit, 32, *place), 28) for place in ((0, 0), (top, left))
    )
    assert (here.int() - there.int()).abs().max() <= 1


@given(times=st.integers(2, 3), s=seeds)
def test_how_large_a_digit_is_matters_little(times: int, s: int) -> None:
    digit = ink(10, s)
    larger = digit.repeat_interleave(times, 0).repeat_interleave(times, 1)
    small, large = (in_mnist_box(on_black(d, 32, 0, 0), 28) for d in (digit, larger))
    assert (small.float() - large.float()).abs().mean() < 0.2 * small.float().mean()


@given(
    height=st.integers(2, 30), width=st.integers(2, 30), size=st.sampled_from([16, 28])
)
def test_the_longer_side_takes_20_of_28_and_the_middle_is_the_centre_of_mass(
    height: int, width: int, size: int
) -> None:
    digit = torch.full((height, width), 255, dtype=torch.uint8)
    (image,) = in_mnist_box(on_black(digit, 32, 0, 0), size)[0].double()
    box = size * 20 / 28
    scale = box / max(height, width)
    assert image.sum() / 255 == pytest.approx(height * width * scale**2, rel=0.1)
    places = torch.arange(size) + 0.5
    for axis in (0, 1):
        profile = image.sum(axis)
        middle = (profile * places).sum() / profile.sum()
        assert middle.item() == pytest.approx(size / 2, abs=0.05)
    longer = image.sum(int(height >= width)) > 0
    assert box - 1 <= longer.sum() <= box + 2 + max(1, scale)


def test_black_stays_black_and_many_images_are_as_each_alone() -> None:
    images = torch.cat([on_black(ink(9, s), 16, s % 5, 3) for s in range(5)])
    images[2] = 0
    boxed = in_mnist_box(images, 28)
    assert boxed[2].max() == 0
    each = torch.cat([in_mnist_box(image[None], 28) for image in images])
    assert torch.equal(boxed, each)


@given(height=st.integers(4, 30), width=st.integers(4, 30))
def test_the_centre_of_mass_counts_and_not_that_of_the_box(
    height: int, width: int
) -> None:
    digit = torch.full((height, width), 255, dtype=torch.uint8)
    digit[height // 2 :, width // 2 :] = 80  # the other three quarters weigh more
    (image,) = in_mnist_box(on_black(digit, 32, 0, 0), 28)[0].double()
    places = torch.arange(28) + 0.5
    for axis in (0, 1):
        profile = image.sum(axis)
        middle = (profile * places).sum() / profile.sum()
        assert middle.item() == pytest.approx(14, abs=0.1)
