"""CIFAR-10, tried on small files in the original formats."""

import hashlib
import os
import pickle
import shutil
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import datasets

from datamodules import CIFAR10
from tests.support.png_strips import pixels, write_strips

PER_BATCH = 4
BATCHES = [f"data_batch_{i}" for i in range(1, 6)]


def old_pickle(content: object) -> bytes:
    """A pickle as NumPy 1 wrote it, with 0 and 1 where False and True are today."""
    return pickle.dumps(content, protocol=2).replace(b"\x89\x88\x87", b"K\0K\1\x87")


def write_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pickled batches, with their md5 sums in the place of the real ones."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    files = {
        name: {"data": pixels(PER_BATCH, i), "labels": [i] * PER_BATCH}
        for i, name in enumerate([*BATCHES, "test_batch"])
    }
    sums = []
    for name, content in {**files, "batches.meta": {"label_names": ["cat"]}}.items():
        written = old_pickle(content)
        (folder / name).write_bytes(written)
        sums.append([name, hashlib.md5(written).hexdigest()])
    source = datasets.CIFAR10
    monkeypatch.setattr(source, "train_list", sums[:5])
    monkeypatch.setattr(source, "test_list", sums[5:6])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": sums[6][1]})
    return folder


def write_archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder.parent / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    shutil.rmtree(folder)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.CIFAR10, "url", "file:///nowhere/at/all")
    return write_batches(tmp_path, monkeypatch)


@pytest.mark.parametrize("packed", [True, False])
def test_pickled_batches_come_as_they_were_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    if packed:
        write_archive(folder, monkeypatch)
    data = CIFAR10(str(folder.parent), n_val=6)
    data.prepare_data()
    x = (torch.cat([data.real("train"), data.real("val")]) + 1) * 127.5
    written = np.concatenate([pixels(PER_BATCH, i) for i in range(5)])
    expected = torch.from_numpy(written).view(-1, 3, 32, 32).float()
    assert torch.allclose(x, expected, atol=1e-3)
    assert data.train_set.y.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert data.test_set.y.tolist() == [5] * PER_BATCH
    assert folder.exists() is not packed


def test_what_numpy_says_about_old_pickles_is_not_passed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = pickle.load

    def load(*args: Any, **kwargs: Any) -> Any:
        # the words of NumPy 2.4.0 to 2.4.4; the installed one may be silent
        text = "dtype(): align should be passed as Python or NumPy boolean"
        warnings.warn(text, stacklevel=2)
        return read(*args, **kwargs)

    monkeypatch.setattr(pickle, "load", load)
    assert len(CIFAR10(str(folder.parent), n_val=0).real("train")) == 5 * PER_BATCH


def test_size_28_is_the_whole_image_made_smaller(tmp_path: Path) -> None:
    write_strips(tmp_path)
    large, small = (CIFAR10(str(tmp_path), n_val=0, image_size=s) for s in (32, 28))
    assert small.real("train").shape == (6, *small.shape) == (6, 3, 28, 28)
    before, after = (data.real("train").mean((2, 3)) for data in (large, small))
    assert torch.allclose(before, after, atol=0.03)


def test_missing_files_end_in_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        CIFAR10(str(tmp_path)).prepare_data()
    text = str(error.value)
    assert text.startswith("data.root: CIFAR10")
    assert "cifar-10-batches-py/data_batch_1" in text
    assert "data.download: true" in text


def test_a_cut_batch_is_named(folder: Path) -> None:
    path = folder / "data_batch_3"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"data\.root: .*data_batch_3 is cut off"):
        CIFAR10(str(folder.parent)).prepare_data()


def test_a_cut_archive_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_archive(folder, monkeypatch)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"data\.root: .*tar\.gz is cut off"):
        CIFAR10(str(folder.parent)).prepare_data()


def test_a_download_is_checked_unpacked_and_moved_whole(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Path], str],
) -> None:
    path = write_archive(folder, monkeypatch)
    monkeypatch.setattr(datasets.CIFAR10, "url", serve(path.parent) + path.name)
    data = CIFAR10(str(tmp_path / "new"), n_val=0, download=True)
    data.prepare_data()
    assert len(data.real("train")) == 5 * PER_BATCH
    names = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert names == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]


def test_a_failed_download_says_what_to_do(tmp_path: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    with pytest.raises(ConnectionError, match=r"put cifar-10-python\.tar\.gz there"):
        CIFAR10(str(tmp_path), download=True).prepare_data()


@pytest.mark.parametrize("damaged", ["data_batch_3", "cifar-10-python.tar.gz"])
def test_a_damaged_file_that_cannot_be_replaced_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, damaged: str
) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/")
    path = folder / damaged
    if damaged.endswith("gz"):
        path = folder.parent / damaged
        shutil.rmtree(folder)
    path.write_bytes(b"half")
    with pytest.raises(ConnectionError, match="could not be fetched") as error:
        CIFAR10(str(folder.parent), download=True).prepare_data()
    assert f"data.download: {path} is cut off" in str(error.value)


def test_a_size_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.image_size .* got '64'"):
        CIFAR10(image_size=64)  # type: ignore[arg-type]


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
