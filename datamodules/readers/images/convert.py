"""Images of different sizes, colours and depths in one form."""

import re

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor
from torchvision.transforms.v2.functional import resize

CHUNK = 4_096
"""Images converted at a time, so that 73,257 of them fit twice into memory."""
WHITE = 2**16 - 1
"""White in 16 bits."""
DIM = 2**14
"""Where all values are below it, 14, 12 or 10 bits may have been stored in 16."""
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
"""The tag of TIFF that says what 0 is, and its value for white."""


def same_form(x: Tensor, size: int, channels: int) -> Tensor:
    """Images brought to a size and a number of channels.

    Colour becomes grey by the luma weights of ITU-R BT.601, grey becomes colour by
    repetition; the size is changed bilinearly with anti-aliasing (pixels are averaged
    where images get smaller).

    Args:
        x: uint8 (n, 1 or 3, height, width).
        size: Height and width afterwards.
        channels: 1 or 3.

    Returns:
        uint8 (n, channels, size, size).

    >>> same_form(torch.full((2, 3, 32, 32), 7, dtype=torch.uint8), 16, 1).shape
    torch.Size([2, 1, 16, 16])
    """
    formed = x.new_empty(len(x), channels, size, size)
    for old, new in zip(torch.split(x, CHUNK), torch.split(formed, CHUNK), strict=True):
        part = grey(old) if channels == 1 else old
        new.copy_(resize(part, [size, size]) if part.shape[-1] != size else part)
    return formed


def grey(x: Tensor) -> Tensor:
    """The luma of colour images, rounded; grey ones stay as they are.

    Args:
        x: uint8 (n, 1 or 3, height, width).

    Returns:
        uint8 (n, 1, height, width).

    >>> grey(torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)).item()
    76
    """
    if x.shape[1] == 1:
        return x
    weights = torch.tensor([299, 587, 114]).view(3, 1, 1)
    luma = ((x * weights).sum(1, keepdim=True) + 500) // 1_000
    return luma.to(torch.uint8)


class UnknownWhiteError(ValueError):
    """An image of 16 bits whose white level is uncertain; it says how to state it."""


def stored_bits(image: Image.Image) -> int:
    """Bits of a value in a file that was opened and is not loaded yet: 8, 12 or 16."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    found = re.findall(r";(1[26])", str(tiles))
    return int(found[0]) if found else 8


def eight_bits(image: Image.Image, bits: int, white_level: int | None) -> Image.Image:
    """The image with 12 or 16 bits scaled to 8; Pillow's conversion would clip them.

    Args:
        image: As loaded from a file.
        bits: Of its values in the file, see `stored_bits`.
        white_level: Value of white in grey images of 16 bits; None takes 65535, and
            refuses images that stay so far below it that it is uncertain.

    Raises:
        ValueError: Its pixels have 32 bits, or colours of 16 bits that Pillow can't
            scale or tell apart.
        UnknownWhiteError: The white level is uncertain.
    """
    header_scales = image.mode == "I" and image.format == "PPM"
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        white = 2**bits - 1 if bits == 12 else white_level
        return _grey_of(image, white)
    if header_scales:  # to 16 bits in 32
        return _grey_of(image, WHITE)
    if image.mode in ("I", "F"):
        raise ValueError(
            f"mode {image.mode}: 32-bit or signed images have no defined white level; "
            "save it with 8 or 16 bits"
        )
    if bits == 16 and image.mode in ("RGB", "RGBA"):
        _check_colour(image, white_level)
    return image


def _grey_of(image: Image.Image, white: int | None) -> Image.Image:
    """Grey values of 0 to ``white`` as bytes, with the colour that is transparent."""
    values = np.asarray(image).astype(np.int64)
    _check_level(int(values.max()), white)
    white = white or WHITE
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    grey = _bytes((white - values if inverted else values) * 256 // (white + 1))
    if "transparency" not in image.info:
        return grey
    opaque = _bytes((values != image.info["transparency"]) * 255)
    return Image.merge("LA", (grey, opaque))


def _bytes(values: NDArray[np.int64]) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8))


def _check_level(highest: int, white: int | None) -> None:
    if white is None and 0 < highest < DIM:
        raise UnknownWhiteError(
            f"has no value above {highest} of {WHITE}, as if fewer than its 16 bits "
            "were in use; set data.white_level, to 4095 for 12 bits or to 65535 if it "
            "is just dark."
        )
    if white is not None and highest > white:
        raise UnknownWhiteError(
            f"has the value {highest}, above data.white_level {white}; set that higher."
        )


def _check_colour(image: Image.Image, white: int | None) -> None:
    """Refuses colours of which Pillow, reading the upper 8 of 16 bits, loses some."""
    if "transparency" in image.info:
        raise ValueError(
            "a colour of 16 bits is transparent, which 8 bits can't tell from others; "
            "save it with 8 bits or with an alpha channel"
        )
    if white not in (None, WHITE):
        raise ValueError(
            "colours of 16 bits are read with the upper 8 of them, whatever "
            "data.white_level; save it with 8 bits"
        )
    colours = np.asarray(image)[..., :3]
    _check_level(256 * int(colours.max()) + 255, white)
