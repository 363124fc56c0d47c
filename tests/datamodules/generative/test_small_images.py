"""MNIST, FashionMNIST and CIFAR-10, tried on small files in the original formats."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision import datasets

from datamodules import CIFAR10, MNIST, FashionMNIST
from datamodules.generative.small_images import SmallImages
from tests.support.digit_sets import N_TEST, N_TRAIN, contents, root_of, unpack, write
from tests.support.small_images import write_strips


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["file:///nowhere/"])
    return write(tmp_path, monkeypatch)


@pytest.mark.parametrize("packed", [True, False])
def test_images_and_labels_come_as_they_were_written(
    folder: Path, packed: bool
) -> None:
    if not packed:
        unpack(folder)
    data = MNIST(root_of(folder), n_val=5)
    data.prepare_data()
    data.setup("fit")
    written = contents()
    x = torch.cat([data.train_set.x, data.val_set.x])
    assert torch.equal(x[:, 0], written["train-images-idx3-ubyte"])
    assert torch.equal(data.test_set.x[:, 0], written["t10k-images-idx3-ubyte"])
    assert data.val_set.y.tolist() == [5, 6, 7, 8, 9]
    assert data.train_set.y.dtype == torch.int64
    assert data.train_set.x.dtype == torch.uint8


def test_size_32_adds_a_black_border_and_keeps_the_middle(folder: Path) -> None:
    data = MNIST(root_of(folder), image_size=32, n_val=0)
    x = data.real("train")
    assert x.shape == (N_TRAIN, *data.shape) == (N_TRAIN, 1, 32, 32)
    small = MNIST(root_of(folder), n_val=0).real("train")
    assert torch.equal(x[..., 2:30, 2:30], small)
    assert x.sum() - small.sum() == -(32**2 - 28**2) * N_TRAIN


def test_without_held_out_images_all_are_trained_on_and_validate(
    folder: Path,
) -> None:
    data = MNIST(root_of(folder), n_val=0)
    assert torch.equal(data.real("val"), data.real("train"))
    assert len(data.real("train")) == N_TRAIN


def test_fashion_mnist_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, datasets.FashionMNIST)
    assert len(FashionMNIST(str(tmp_path), n_val=0).real("test")) == N_TEST
    with pytest.raises(FileNotFoundError, match="MNIST/raw"):
        MNIST(str(tmp_path)).prepare_data()


def test_a_damaged_archive_is_replaced_by_a_download_and_sound_ones_are_kept(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Path], str],
) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(folder, mirror)
    (mirror / "train-images-idx3-ubyte.gz").unlink()  # sound here: must not be fetched
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"half")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setattr(datasets.MNIST, "mirrors", [serve(mirror)])
    data = MNIST(root_of(folder), n_val=0, download=True)
    data.prepare_data()
    MNIST(root_of(folder), n_val=0).prepare_data()
    assert len(data.real("test")) == N_TEST
    assert not list(Path(root_of(folder)).glob(".download-*"))


def test_a_failed_download_leaves_nothing_and_says_what_to_do(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    before = sorted(folder.rglob("*"))
    with pytest.raises(
        ConnectionError, match=r"data\.download: .* put .* there yourself"
    ):
        MNIST(root_of(folder), download=True).prepare_data()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("packed", [True, False])
def test_a_damaged_file_that_cannot_be_replaced_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    if packed:
        (folder / "train-images-idx3-ubyte.gz").unlink()  # missing: damage goes first
    else:
        unpack(folder)
    path = folder / f"t10k-labels-idx1-ubyte{'.gz' * packed}"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ConnectionError) as error:
        MNIST(root_of(folder), download=True).prepare_data()
    assert f"data.download: {path} is cut off" in str(error.value)
    assert "; the files could not be fetched into" in str(error.value)


@pytest.mark.parametrize("n_val", [-1, N_TRAIN])
def test_a_validation_part_that_leaves_nothing_is_refused(
    folder: Path, n_val: int
) -> None:
    with pytest.raises(ValueError, match=rf"data\.n_val .*{n_val}"):
        MNIST(root_of(folder), n_val=n_val).real("train")


@pytest.mark.parametrize("source", [MNIST, CIFAR10])
def test_a_size_that_does_not_exist_is_refused(source: type[SmallImages]) -> None:
    with pytest.raises(ValueError, match=r"data\.image_size .* got '64'"):
        source(image_size=64)  # type: ignore[arg-type]


def test_size_28_is_the_whole_image_made_smaller(tmp_path: Path) -> None:
    write_strips(tmp_path)
    large, small = (CIFAR10(str(tmp_path), n_val=0, image_size=s) for s in (32, 28))
    assert small.real("train").shape == (6, *small.shape) == (6, 3, 28, 28)
    before, after = (data.real("train").mean((2, 3)) for data in (large, small))
    assert torch.allclose(before, after, atol=0.03)


@pytest.mark.data
def test_the_real_files_hold_the_published_counts() -> None:
    data = MNIST(f"{os.environ['WASSERSTEIN_DATA']}/mnist", n_val=0)
    data.prepare_data()
    data.setup("fit")
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.train_set.y.bincount().tolist() == counts
    assert data.real("test").shape == (10_000, 1, 28, 28)


@pytest.mark.data
def test_the_real_strips_hold_the_published_counts() -> None:
    data = CIFAR10(f"{os.environ['WASSERSTEIN_DATA']}/cifar10", n_val=0)
    data.prepare_data()
    data.setup("fit")
    counts = [1989, 1981, 2042, 2011, 2009, 1925, 2038, 2027, 2012, 1966]
    assert data.train_set.y.bincount().tolist() == counts
    colours = (data.real("train").mean((0, 2, 3)) + 1) / 2
    # those of all 50,000; these are 20,000 of them
    assert torch.allclose(colours, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.01)
