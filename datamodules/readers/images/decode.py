"""Picture files of strangers, brought to one size."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by the rotation mark that cameras write."""


def walk(root: Path) -> Iterator[Path]:
    """A folder and all below it, links to folders too, each once; none that is hidden.

    What is hidden has a name that begins with a dot.
    """
    seen: set[Path] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if folder.resolve() in seen:
            continue  # a link to where we have been
        seen.add(folder.resolve())
        yield folder
        waiting += (
            path
            for path in sorted(folder.iterdir(), reverse=True)
            if path.is_dir() and not path.name.startswith(".")
        )


def upright(picture: Image.Image) -> Image.Image:
    """The picture as its rotation mark says; as it is, if no mark can be read.

    Pillow's ``exif_transpose`` writes all marks anew, which fails for odd ones that
    have nothing to do with rotation.
    """
    try:
        how = TURNED.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # marks of any kind spoil no pixels
        how = None
    return picture if how is None else picture.transpose(how)


def to_square(picture: Image.Image, channels: int, size: int) -> Tensor:
    """The central square of a picture, uint8 (channels, size, size).

    Raises:
        ValueError: Its pixels are of 32 bits, whose white nobody knows.
    """
    picture.load()  # here, where what is cut off is no fault of its marks
    picture = _of_eight_bits(upright(picture), picture.format)
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        picture = Image.alpha_composite(white, seen)
    picture = picture.convert("L" if channels == 1 else "RGB")
    square = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(square)).view(size, size, channels)
    return pixels.permute(2, 0, 1).contiguous()


def _of_eight_bits(picture: Image.Image, form: str | None) -> Image.Image:
    """The picture with 16 bits scaled to 8; Pillow's conversion would clip them."""
    deep = picture.mode == "I" and form in ("PNG", "PPM")  # 16 bits in 32
    if deep or picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise ValueError(
            f"mode {picture.mode}, 32 bits without a known white: save it with 8 or 16"
        )
    return picture
