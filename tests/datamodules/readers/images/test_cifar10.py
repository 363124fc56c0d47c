"""CIFAR-10 from small files in the original formats and from strips of PNG."""

import hashlib
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
from PIL import Image
from torchvision import datasets

from datamodules import CIFAR10
from tests.support.small_images import pixels, write_strips

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
