"""Idx files, sound, cut off and damaged."""

from pathlib import Path

import pytest
import torch
from torchvision import datasets

from datamodules import MNIST
from datamodules.readers.images.idx import idx_fault
from tests.support.digit_sets import idx, root_of, unpack, write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///nowhere/"])
    return write(tmp_path, monkeypatch)


def test_archives_in_a_folder_are_read_without_writing_to_it(folder: Path) -> None:
    before = sorted(folder.iterdir())
    MNIST(root_of(folder), n_val=0).real("train")
    assert sorted(folder.iterdir()) == before


def test_missing_files_end_in_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        MNIST(str(tmp_path / "nowhere")).prepare_data()
    text = str(error.value)
    assert text.startswith("data.root: MNIST needs ")
    assert "nowhere/MNIST/raw/train-images-idx3-ubyte.gz" in text
    assert "data.download: true" in text
    assert not (tmp_path / "nowhere").exists()


def test_a_cut_archive_is_named(folder: Path) -> None:
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"data\.root: .*t10k-labels.*\.gz is cut off"):
        MNIST(root_of(folder)).prepare_data()


@pytest.mark.parametrize("keep", [0, 3, 10, 500])
def test_a_cut_unpacked_file_is_named(folder: Path, keep: int) -> None:
    unpack(folder)
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        ValueError, match=r"data\.root: .*t10k-images-idx3-ubyte is cut"
    ):
        MNIST(root_of(folder)).setup("fit")


def test_images_without_labels_are_refused(folder: Path) -> None:
    unpack(folder)
    images, labels = (
        folder / f"train-{p}-ubyte" for p in ("images-idx3", "labels-idx1")
    )
    labels.write_bytes(idx(torch.zeros(3, dtype=torch.uint8)))
    assert "20 images" in str(idx_fault(images, labels))
