"""Pictures of all sorts in folders of all sorts."""

from pathlib import Path

import pytest
import torch

from datamodules import ImageFolder
from tests.support.small_images import save


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


def test_training_and_validation_share_no_image_and_lose_none(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.png", number)
    data = ImageFolder(str(tmp_path), channels=1, val_fraction=0.25, seed=7)
    data.setup("fit")
    parts = [part.x[:, 0, 0, 0].tolist() for part in (data.train_set, data.val_set)]
    assert (len(parts[0]), len(parts[1])) == (15, 5)
    assert sorted(parts[0] + parts[1]) == list(range(20))
    assert torch.equal(data.test_set.x, data.val_set.x)


def test_too_few_images_for_a_batch_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "1.png")
    data = ImageFolder(str(tmp_path), batch_size=2, val_fraction=0)
    data.setup("fit")
    with pytest.raises(ValueError, match=r"data\.batch_size: 2 .* there are 1"):
        data.train_dataloader()


@pytest.mark.parametrize(
    ("key", "value"), [("channels", 2), ("val_fraction", 1.0), ("image_size", 0)]
)
def test_arguments_out_of_range_are_refused_by_their_key(key: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} must be .*, got '?{value}"):
        ImageFolder(".", **{key: value})  # type: ignore[arg-type]
