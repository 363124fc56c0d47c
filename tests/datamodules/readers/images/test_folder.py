"""Folders of images: what is found, and what is wrong with files."""

from pathlib import Path

import pytest
import torch

from datamodules import ImageFolder
from tests.support.small_images import save


def test_images_in_any_nesting_are_found_and_everything_else_is_left(
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


def test_a_folder_that_is_missing_or_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"data\.root: the folder .*nowhere"):
        ImageFolder(str(tmp_path / "nowhere")).prepare_data()
    with pytest.raises(FileNotFoundError, match=r"data\.root: no image below"):
        ImageFolder(str(tmp_path)).prepare_data()
