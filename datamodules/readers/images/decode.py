"""Decoding of untrusted image files to one size."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from rich.progress import track
from torch import Tensor

from datamodules.readers.images.convert import (
    UnknownWhiteError,
    eight_bits,
    stored_bits,
)
from lightning_modules.core.files import check_file, readable
from lightning_modules.core.limits import FREE, check_size

FORMATS = ("PNG", "JPEG", "PPM", "BMP", "DIB", "TIFF", "GIF", "WEBP", "AVIF")
"""Formats of Pillow that are tried: none of them starts another program."""
BANDS, RATIO = 3, 100
"""Bytes of a pixel, and how many times its size a large image may become: photographs
are packed to a tenth, and several are decoded at a time."""
NOT_AN_IMAGE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by the orientation tag that cameras write."""


Decoded = tuple[list[tuple[Path, Tensor]], list[str]]
"""The files that can be decoded, in their order, with their images, uint8 (channels,
size, size); and what is wrong with the others."""


def decode_all(
    files: Sequence[Path],
    channels: int,
    size: int,
    progress: str | None = None,
    white_level: int | None = None,
) -> Decoded:
    """Decodes files in parallel.

    Args:
        files: In one of ``FORMATS``; of several frames the first counts.
        channels: 3 for colour, 1 for grey.
        size: Height and width of the result, see `to_square`.
        progress: Title of a progress bar; None shows none.
        white_level: See `to_square`.

    Raises:
        UnknownWhiteError: The white level of an image is uncertain.
    """
    context = copy_context()  # the limit of memory, which threads don't inherit

    def decoded_in(path: Path) -> Tensor | str:
        return context.copy().run(_decode, path, channels, size, white_level)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = list(
            track(
                pool.map(decoded_in, files),
                readable(progress or ""),
                len(files),
                transient=True,
                disable=progress is None,
            )
        )
    results = zip(files, decoded, strict=True)
    images = [(path, x) for path, x in results if isinstance(x, Tensor)]
    return images, [fault for fault in decoded if isinstance(fault, str)]


def decode_whole(
    files: Sequence[Path], channels: int, size: int, fault: str, remedy: str
) -> Tensor:
    """All files decoded, uint8 (n, channels, size, size), see `decode_all`.

    Args:
        files: As there.
        channels: As there.
        size: As there.
        fault: What is wrong with some of them, for the sentence.
        remedy: What to do about it.

    Raises:
        ValueError: Some can't be decoded; it counts them and names the first. Or they
            would take too much memory.
    """
    name = f"data.root: {len(files):,} images of {size} x {size} pixels below"
    folder = Path(os.path.commonpath([path.parent for path in files]))
    check_size(len(files) * channels * size**2, name=f"{name} {folder}")
    images, faults = decode_all(files, channels, size)
    if faults:
        raise ValueError(
            f"data.root: {len(faults)} of {len(files)} {fault}, the first of them "
            f"{faults[0]}; {remedy}."
        )
    return torch.stack([image for _, image in images])


def _decode(
    path: Path, channels: int, size: int, white_level: int | None
) -> Tensor | str:
    """The image in a file, or what is wrong with it."""
    try:
        check_file(path, "it")
        with Image.open(path, formats=FORMATS) as file:
            pixels = file.width * file.height
            name = f"its {pixels:,} pixels"
            check_size(BANDS * pixels, path, name, FREE / 4, RATIO)
            return to_square(file, channels, size, white_level)
    except UnknownWhiteError as error:
        raise UnknownWhiteError(f"{readable(path)} {error}") from None
    except NOT_AN_IMAGE as error:
        return f"{readable(path)} ({readable(str(error))})"


def upright(image: Image.Image, tagged: Image.Image | None = None) -> Image.Image:
    """The image turned by its orientation tag; as it is, if no tag can be read.

    Pillow's ``exif_transpose`` rewrites all tags, which fails for odd ones that have
    nothing to do with rotation.

    Args:
        image: Pixels.
        tagged: The image that has the tags, if that is another.
    """
    try:
        tags = (tagged or image).getexif()
        how = TURNED.get(tags.get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken tags leave the pixels intact
        how = None
    return image if how is None else image.transpose(how)


def to_square(
    image: Image.Image, channels: int, size: int, white_level: int | None = None
) -> Tensor:
    """The central square of an image, uint8 (channels, size, size).

    Args:
        image: Pixels; what is transparent becomes white.
        channels: 3 for colour, 1 for grey.
        size: Height and width.
        white_level: Value of white in grey images of 16 bits; None takes 65535, and
            refuses images that stay so far below it that it is uncertain.

    Raises:
        ValueError: Its pixels have 32 bits, which have no defined white level, or its
            colours more than Pillow reads.
        UnknownWhiteError: The white level is uncertain.
    """
    bits = stored_bits(image)
    image.load()  # here, where a file that is cut off is not taken for a broken tag
    image = upright(eight_bits(image, bits, white_level), tagged=image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    image = image.convert("L" if channels == 1 else "RGB")
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(square)).view(size, size, channels)
    return pixels.permute(2, 0, 1).contiguous()
