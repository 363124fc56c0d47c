"""CIFAR-10 as strips of PNG."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from datamodules import CIFAR10
from tests.support.png_strips import write_strips


def test_rows_of_png_strips_are_images_with_the_labels_of_their_numbers(
    tmp_path: Path,
) -> None:
    strips = write_strips(tmp_path)
    (tmp_path / "cifar10_batch_copy.png").write_bytes(b"not one of them")
    data = CIFAR10(str(tmp_path), n_val=0)
    data.prepare_data()
    data.setup("fit")
    picture = data.train_set.x[4]  # row 1 of strip 1
    expected = strips[1][1].reshape(32, 32, 3).transpose(2, 0, 1)
    assert torch.equal(picture, torch.from_numpy(expected))
    assert data.train_set.y.tolist() == [0, 1, 2, 1, 2, 3]
    assert data.test_set.y.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cifar10_batch_1.png", b"\x89PNG and no more", "batch_1.png is cut off"),
        ("labels.json", b"[1, 2", "labels.json is not a list"),
        (
            "labels.json",
            b"[1, 2, 3, 4]",
            "has 4 labels, too few for cifar10_batch_1.png",
        ),
    ],
)
def test_damaged_strips_and_labels_are_named(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    write_strips(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        CIFAR10(str(tmp_path), n_val=0).setup("fit")


def test_a_cut_strip_is_named(tmp_path: Path) -> None:
    write_strips(tmp_path)
    path = tmp_path / "cifar10_batch_50.png"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"batch_50\.png is cut off"):
        CIFAR10(str(tmp_path), n_val=0).setup("fit")


def test_strips_of_another_width_are_refused(tmp_path: Path) -> None:
    write_strips(tmp_path)
    Image.new("RGB", (1000, 3)).save(tmp_path / "cifar10_batch_0.png")
    with pytest.raises(ValueError, match="1000 pixels wide"):
        CIFAR10(str(tmp_path), n_val=0).setup("fit")


@pytest.mark.parametrize("missing", [0, 50])
def test_a_part_without_strips_is_named(tmp_path: Path, missing: int) -> None:
    write_strips(tmp_path)
    (tmp_path / "cifar10_batch_1.png").unlink()
    (tmp_path / f"cifar10_batch_{missing}.png").unlink()
    with pytest.raises(FileNotFoundError, match=f"cifar10_batch_{missing}.png"):
        CIFAR10(str(tmp_path), n_val=0).setup("fit")
