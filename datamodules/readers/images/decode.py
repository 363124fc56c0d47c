"""Decoding of untrusted image files to one size."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from rich.progress import track
from torch import Tensor

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


def decode_all(
    files: Sequence[Path], channels: int, size: int, progress: str | None = None
) -> tuple[list[tuple[Path, Tensor]], list[str]]:
    """Decodes files in parallel.

    Args:
        files: In any format of Pillow.
        channels: 3 for colour, 1 for grey.
        size: Height and width of the result, see `to_square`.
        progress: Title of a progress bar; None shows none.

    Returns:
        The files that can be decoded, in their order, with their images, uint8
        (channels, size, size); and what is wrong with the others.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = list(
            track(
                pool.map(lambda path: _decode(path, channels, size), files),
                progress or "",
                len(files),
                transient=True,
                disable=progress is None,
            )
        )
    results = zip(files, decoded, strict=True)
    images = [(path, x) for path, x in results if isinstance(x, Tensor)]
    return images, [fault for fault in decoded if isinstance(fault, str)]


def _decode(path: Path, channels: int, size: int) -> Tensor | str:
    """The image in a file, or what is wrong with it."""
    try:
        with Image.open(path) as file:
            return to_square(file, channels, size)
    except NOT_AN_IMAGE as error:
        return f"{path} ({error})"


def walk(root: Path) -> Iterator[Path]:
    """A folder and all below it, links to folders too, each once; none that is hidden.

    What is hidden has a name that begins with a dot.
    """
    seen: set[Path] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if folder.resolve() in seen:
            continue  # a link to a folder that was visited
        seen.add(folder.resolve())
        yield folder
        waiting += (
            path
            for path in sorted(folder.iterdir(), reverse=True)
            if path.is_dir() and not path.name.startswith(".")
        )


def upright(image: Image.Image) -> Image.Image:
    """The image turned by its orientation tag; as it is, if no tag can be read.

    Pillow's ``exif_transpose`` rewrites all tags, which fails for odd ones that have
    nothing to do with rotation.
    """
    try:
        how = TURNED.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken tags leave the pixels intact
        how = None
    return image if how is None else image.transpose(how)


def to_square(image: Image.Image, channels: int, size: int) -> Tensor:
    """The central square of an image, uint8 (channels, size, size).

    Raises:
        ValueError: Its pixels have 32 bits, which have no defined white level.
    """
    image.load()  # here, where a file that is cut off is not taken for a broken tag
    image = _eight_bits(upright(image), image.format)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    image = image.convert("L" if channels == 1 else "RGB")
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(square)).view(size, size, channels)
    return pixels.permute(2, 0, 1).contiguous()


def _eight_bits(image: Image.Image, file_format: str | None) -> Image.Image:
    """The image with 16 bits scaled to 8; Pillow's conversion would clip them."""
    deep = image.mode == "I" and file_format in ("PNG", "PPM")  # 16 bits in 32
    if deep or image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(
            f"mode {image.mode}: 32-bit images have no defined white level; save it "
            "with 8 or 16 bits"
        )
    return image
