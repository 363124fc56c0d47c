"""Untrusted image files of all sorts are decoded to one form."""

import re
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from datamodules import ImageFolder
from datamodules.readers.images.decode import FORMATS, to_square, upright
from tests.support.small_images import save


def test_the_central_square_is_what_remains(tmp_path: Path) -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    x = ImageFolder(str(tmp_path), image_size=10, channels=1, val_fraction=0)
    assert torch.allclose(x.real("train"), torch.full((1, 1, 10, 10), 200 / 127.5 - 1))


def test_sixteen_bits_are_scaled_and_transparency_becomes_white(tmp_path: Path) -> None:
    deep = np.full((8, 8), 128 << 8, np.uint16)
    Image.fromarray(deep).save(tmp_path / "1.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "2.png")
    header = b"P5 8 8 65535\n"  # read as 32 bits
    (tmp_path / "3.pgm").write_bytes(header + deep.byteswap().tobytes())
    x = ImageFolder(str(tmp_path), 8, channels=1, val_fraction=0).real("train")
    assert torch.allclose(x[0], torch.full((1, 8, 8), 128 / 127.5 - 1), atol=1e-6)
    assert torch.equal(x[1], torch.ones(1, 8, 8))
    assert torch.equal(x[2], x[0])


def test_the_orientation_tag_of_a_camera_is_obeyed(tmp_path: Path) -> None:
    upright = np.zeros((8, 8), np.uint8)
    upright[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(upright).save(tmp_path / "1.png", exif=exif)
    x = ImageFolder(str(tmp_path), 8, channels=1, val_fraction=0).real("train")
    assert x[0, 0, 0, 0] == -1
    assert x[0, 0, 7, 0] == 1


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_32_bits_are_refused_by_name_and_mode(
    tmp_path: Path, mode: str
) -> None:
    save(tmp_path / "1.png")
    Image.new(mode, (8, 8), 3).save(tmp_path / "deep.tif")
    says = rf"1 of 2 files .*deep\.tif \(mode {mode}: 32-bit .* with 8 or 16 bits\)"
    with pytest.raises(ValueError, match=says):
        ImageFolder(str(tmp_path), on_corrupt="error").setup("fit")
    with pytest.warns(UserWarning, match=rf"Skipped 1 files .*mode {mode}"):
        ImageFolder(str(tmp_path), val_fraction=0).setup("fit")


def test_every_reader_opens_images_by_the_formats_that_start_nothing(
    repository: Path,
) -> None:
    sources = [path.read_text() for path in (repository / "datamodules").rglob("*.py")]
    opened = re.findall(r"Image\.open\(.*", "\n".join(sources))
    assert len(opened) == 3
    assert all("formats=FORMATS" in call for call in opened)
    assert not {"EPS", "WMF", "FITS"} & set(FORMATS)


def patches() -> Image.Image:
    """Eight grey squares, no two rows or columns alike."""
    grey = np.arange(8, dtype=np.uint8).reshape(2, 4).repeat(8, 0).repeat(8, 1) * 30
    return Image.fromarray(grey)


@pytest.mark.parametrize("mark", range(10))
def test_every_orientation_tag_is_obeyed_as_pillow_does(mark: int) -> None:
    picture = patches()
    picture.getexif()[0x0112] = mark
    expected = ImageOps.exif_transpose(picture)
    assert np.array_equal(np.asarray(upright(picture)), np.asarray(expected))


def jpeg(kind: int, count: int, value: bytes) -> bytes:
    """A JPEG that is to be turned right, with a width (0x0100) of any kind."""
    fields = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    fields = struct.pack("<HHI4s", 0x0100, kind, count, value) + fields
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + fields + bytes(4)
    file = BytesIO()
    patches().save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [
        (2, 3, b"32\0\0"),  # text
        (5, 1, b"\x08\0\0\0"),  # a fraction
        (9, 1, b"\xff\xff\xff\xff"),
    ],
)
def test_odd_tags_beside_the_orientation_spoil_no_image(
    tmp_path: Path, kind: int, count: int, value: bytes
) -> None:
    (tmp_path / "odd.jpg").write_bytes(jpeg(kind, count, value))
    data = ImageFolder(str(tmp_path), 16, channels=1, val_fraction=0)
    data.setup("fit")
    turned = patches().transpose(Image.Transpose.ROTATE_270)
    assert (data.train_set.x.int() - to_square(turned, 1, 16).int()).abs().max() < 9


def test_a_image_whose_tags_cannot_be_read_is_kept_as_it_is() -> None:
    class Odd(Image.Image):
        def getexif(self) -> Image.Exif:
            raise struct.error("unpack requires a buffer of 4 bytes")

    picture = patches()
    picture.__class__ = Odd
    assert np.array_equal(np.asarray(upright(picture)), np.asarray(patches()))
