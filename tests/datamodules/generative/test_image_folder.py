"""Pictures of all sorts in folders of all sorts."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from datamodules import ImageFolder
from datamodules.readers.images.decode import to_square, upright

RED = (255, 0, 0)


def save(path: Path, colour: object = RED, size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if isinstance(colour, int) else "RGB"
    Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]


def test_pictures_in_any_nesting_are_found_and_everything_else_is_left(
    tmp_path: Path,
) -> None:
    for name in ("a.png", "b/c.JPG", "b/d/e/f.bmp"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    data = ImageFolder(str(tmp_path), image_size=8, val_fraction=0)
    x = data.real("train")
    assert x.shape == (3, 3, 8, 8)
    assert torch.allclose(x[:, 0], torch.ones(3, 8, 8), atol=0.03)
    assert torch.allclose(x[:, 1:], -torch.ones(3, 2, 8, 8), atol=0.03)


def test_labels_are_the_first_subfolders_in_alphabetical_order(tmp_path: Path) -> None:
    for name in ("dogs/x.png", "cats/1.png", "cats/deep/2.png"):
        save(tmp_path / name)
    data = ImageFolder(str(tmp_path), val_fraction=0)
    data.setup("fit")
    assert data.classes == ["cats", "dogs"]
    assert data.num_classes == 2
    assert data.train_set.y.tolist() == [0, 0, 1]


def test_one_flat_folder_is_one_class(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    save(tmp_path / "2.png")
    data = ImageFolder(str(tmp_path), val_fraction=0)
    data.setup("fit")
    assert data.train_set.y.tolist() == [0, 0]


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


def test_the_rotation_mark_of_a_camera_is_obeyed(tmp_path: Path) -> None:
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


def patches() -> Image.Image:
    """Eight grey squares, no two rows or columns alike."""
    grey = np.arange(8, dtype=np.uint8).reshape(2, 4).repeat(8, 0).repeat(8, 1) * 30
    return Image.fromarray(grey)


@pytest.mark.parametrize("mark", range(10))
def test_every_rotation_mark_is_obeyed_as_pillow_does(mark: int) -> None:
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
def test_odd_marks_beside_the_rotation_spoil_no_picture(
    tmp_path: Path, kind: int, count: int, value: bytes
) -> None:
    (tmp_path / "odd.jpg").write_bytes(jpeg(kind, count, value))
    data = ImageFolder(str(tmp_path), 16, channels=1, val_fraction=0)
    data.setup("fit")
    turned = patches().transpose(Image.Transpose.ROTATE_270)
    assert (data.train_set.x.int() - to_square(turned, 1, 16).int()).abs().max() < 9


def test_a_picture_whose_marks_cannot_be_read_is_kept_as_it_is() -> None:
    class Odd(Image.Image):
        def getexif(self) -> Image.Exif:
            raise struct.error("unpack requires a buffer of 4 bytes")

    picture = patches()
    picture.__class__ = Odd
    assert np.array_equal(np.asarray(upright(picture)), np.asarray(patches()))


def spoil(root: Path) -> None:
    for number in range(3):
        save(root / f"good{number}.png", number)
    (root / "empty.png").write_bytes(b"")
    save(root / "cut.png", size=(200, 200))
    (root / "cut.png").write_bytes((root / "cut.png").read_bytes()[:-30])


def test_corrupt_files_are_skipped_with_a_warning_that_names_them(
    tmp_path: Path,
) -> None:
    spoil(tmp_path)
    data = ImageFolder(str(tmp_path), val_fraction=0)
    with pytest.warns(UserWarning, match="Skipped 2 files") as caught:
        data.setup("fit")
    assert "cut.png" in str(caught[0].message)
    assert "empty.png" in str(caught[0].message)
    assert len(data.train_set) == 3


def test_corrupt_files_are_refused_by_name_if_asked(tmp_path: Path) -> None:
    spoil(tmp_path)
    with pytest.raises(ValueError, match=r"2 of 5 files .*cut\.png.*empty\.png"):
        ImageFolder(str(tmp_path), on_corrupt="error").setup("fit")


def test_a_folder_of_nothing_but_corrupt_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 1 files"):
        ImageFolder(str(tmp_path)).setup("fit")


def test_training_and_validation_share_no_picture_and_lose_none(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.png", number)
    data = ImageFolder(str(tmp_path), channels=1, val_fraction=0.25, seed=7)
    data.setup("fit")
    parts = [part.x[:, 0, 0, 0].tolist() for part in (data.train_set, data.val_set)]
    assert (len(parts[0]), len(parts[1])) == (15, 5)
    assert sorted(parts[0] + parts[1]) == list(range(20))
    assert torch.equal(data.test_set.x, data.val_set.x)


def test_too_few_pictures_for_a_batch_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    data = ImageFolder(str(tmp_path), batch_size=2, val_fraction=0)
    data.setup("fit")
    with pytest.raises(ValueError, match=r"data\.batch_size: 2 .* there are 1"):
        data.train_dataloader()


def test_a_folder_that_is_missing_or_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.root: the folder .*nowhere"):
        ImageFolder(str(tmp_path / "nowhere")).prepare_data()
    with pytest.raises(FileNotFoundError, match=r"data\.root: no image below"):
        ImageFolder(str(tmp_path)).prepare_data()


@pytest.mark.parametrize(
    ("key", "value"), [("channels", 2), ("val_fraction", 1.0), ("image_size", 0)]
)
def test_arguments_out_of_range_are_refused_by_their_key(key: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} must be .*, got '?{value}"):
        ImageFolder(".", **{key: value})  # type: ignore[arg-type]
