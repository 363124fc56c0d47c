"""Sets of digits: where they are, and what they hold."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from datamodules.readers.images.digit_files import SVHNFiles
from tests.support import digit_sets as sets
from tests.support.dense_domains import equal
from tests.support.digit_sets import NAMES, written


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("mnist", "mnist/MNIST/raw/train-images-idx3-ubyte.gz"),
        ("usps", "usps/usps.h5, or usps.bz2 and usps.t.bz2"),
        ("mnist_m", "mnist_m with mnist_m_train_labels.txt"),
        ("svhn", "svhn/train_32x32.mat"),
    ],
)
def test_missing_files_end_in_what_to_put_where(
    tmp_path: Path, name: str, named: str
) -> None:
    with pytest.raises(FileNotFoundError) as error:
        sets.read(name, tmp_path / "nowhere")
    text = str(error.value)
    assert text.startswith("data.root: ")
    assert f"{tmp_path}/nowhere/{named}" in text
    assert "put " in text
    assert "\n" not in text
    assert not (tmp_path / "nowhere").exists()


def test_a_cut_idx_file_is_named(tmp_path: Path) -> None:
    sets.write_mnist(tmp_path)
    path = tmp_path / "mnist/MNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"data\.root: .*t10k-images.* is cut off"):
        sets.read("mnist", tmp_path)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return sets.write_all(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", NAMES)
def test_images_and_labels_come_as_they_were_written(root: Path, name: str) -> None:
    for pairs, part in zip(sets.read(name, root), sets.PARTS, strict=True):
        assert torch.equal(pairs.x, written(name, part))
        assert pairs.y.tolist() == sets.labels(part).tolist()
        assert (pairs.x.dtype, pairs.y.dtype) == (torch.uint8, torch.int64)


@pytest.mark.parametrize("name", NAMES)
def test_files_in_the_root_itself_are_found_too(root: Path, name: str) -> None:
    assert equal(
        [part.x for part in sets.read(name, root)],
        [part.x for part in sets.read(name, root / name)],
    )


def test_the_two_versions_of_usps_are_never_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets.write_usps_libsvm(tmp_path, monkeypatch)
    libsvm = sets.read("usps", tmp_path)
    sets.write_usps(tmp_path)
    hdf5 = sets.read("usps", tmp_path)
    for one, other in zip(libsvm, hdf5, strict=True):
        assert one.y.tolist() == other.y.tolist()
        # the libsvm files hold negatives here, and torchvision cuts off, not rounds
        assert (one.x.int() + other.x.int() - 255).abs().max() <= 1
    (tmp_path / "usps/usps.h5").unlink()
    (tmp_path / "usps/usps.bz2").unlink()
    with pytest.raises(FileNotFoundError, match=r"USPS needs .*usps\.h5, or"):
        sets.read("usps", tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 3000, -50])
def test_a_cut_usps_file_is_named(tmp_path: Path, keep: int) -> None:
    sets.write_usps(tmp_path)
    path = tmp_path / "usps/usps.h5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"data\.root: .*usps\.h5 is cut off") as error:
        sets.read("usps", tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (np.zeros((3, 255), np.float32), np.zeros(3)),
        (np.full((3, 256), 255.0, np.float32), np.zeros(3)),
        (np.full((3, 256), np.nan, np.float32), np.zeros(3)),
        (np.full((3, 256), -1.0, np.float32), np.zeros(3)),
        (np.zeros((3, 256), np.float32), np.zeros(4)),
        (np.zeros((3, 256), np.float32), np.full(3, 10)),
        (np.zeros((0, 256), np.float32), np.zeros(0)),
        (None, np.zeros(3)),
    ],
)
def test_an_hdf5_file_of_something_else_is_refused(
    tmp_path: Path, data: np.ndarray | None, target: np.ndarray
) -> None:
    with h5py.File(tmp_path / "usps.h5", "w") as file:
        for part in sets.PARTS:
            file[f"{part}/target"] = target
            if data is not None:
                file[f"{part}/data"] = data
    with pytest.raises(ValueError, match=r"usps\.h5 is cut off or does not hold USPS"):
        sets.read("usps", tmp_path)


def test_the_label_10_of_the_files_is_the_digit_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets.write_svhn(tmp_path, monkeypatch)
    files = SVHNFiles(tmp_path, download=False)
    files.find()
    for pairs, part in zip(files.read(), sets.PARTS, strict=True):
        assert pairs.y.tolist() == sets.labels(part).tolist()
        assert pairs.x.shape == (sets.N[part], 3, 32, 32)


def test_a_missing_part_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets.write_svhn(tmp_path, monkeypatch)
    (tmp_path / "svhn/test_32x32.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"SVHN needs .*test_32x32\.mat"):
        SVHNFiles(tmp_path, download=False).find()


def test_usps_is_not_read_out_of_another_file(tmp_path: Path) -> None:
    sets.write_usps(tmp_path)
    path = tmp_path / "usps/usps.h5"
    path.rename(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        for part in sets.PARTS:
            file[part] = h5py.ExternalLink("other.h5", part)
    with pytest.raises(
        ValueError, match=r"usps\.h5 .*\(holds 'train' as a link, or in"
    ):
        sets.read("usps", tmp_path)
