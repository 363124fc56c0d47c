"""Files of digits that are missing, damaged or to be downloaded."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torchvision import datasets

from datamodules.adaptation.digit_domains import FILES
from datamodules.readers.images.digit_files import DigitParts
from tests.support import digit_sets as sets


def read(name: str, root: Path, download: bool = False) -> DigitParts:
    files = FILES[name](root, download)
    files.find()
    return files.read()


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
        read(name, tmp_path / "nowhere")
    text = str(error.value)
    assert text.startswith("data.root: ")
    assert f"{tmp_path}/nowhere/{named}" in text
    assert "put " in text
    assert "\n" not in text
    assert not (tmp_path / "nowhere").exists()


def test_the_two_versions_of_usps_are_never_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets.write_usps_libsvm(tmp_path, monkeypatch)
    libsvm = read("usps", tmp_path)
    sets.write_usps(tmp_path)
    hdf5 = read("usps", tmp_path)
    for one, other in zip(libsvm, hdf5, strict=True):
        assert one.y.tolist() == other.y.tolist()
        # the libsvm files hold negatives here, and torchvision cuts off, not rounds
        assert (one.x.int() + other.x.int() - 255).abs().max() <= 1
    (tmp_path / "usps/usps.h5").unlink()
    (tmp_path / "usps/usps.bz2").unlink()
    with pytest.raises(FileNotFoundError, match=r"USPS needs .*usps\.h5, or"):
        read("usps", tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 3000, -50])
def test_a_cut_usps_file_is_named(tmp_path: Path, keep: int) -> None:
    sets.write_usps(tmp_path)
    path = tmp_path / "usps/usps.h5"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"data\.root: .*usps\.h5 is cut off") as error:
        read("usps", tmp_path)
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
        read("usps", tmp_path)


@pytest.mark.parametrize(
    ("name", "file"), [("usps", "usps/usps.t.bz2"), ("svhn", "svhn/test_32x32.mat")]
)
def test_a_cut_file_with_a_checksum_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    sets.write_usps_libsvm(tmp_path, monkeypatch)
    sets.write_svhn(tmp_path, monkeypatch)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"data\.root: .*{file} is cut off"):
        read(name, tmp_path)


def test_a_cut_idx_file_is_named(tmp_path: Path) -> None:
    sets.write_mnist(tmp_path)
    path = tmp_path / "mnist/MNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"data\.root: .*t10k-images.* is cut off"):
        read("mnist", tmp_path)


def test_missing_and_damaged_pictures_of_mnist_m_are_counted_and_named(
    tmp_path: Path,
) -> None:
    sets.write_mnist_m(tmp_path)
    folder = tmp_path / "mnist_m/mnist_m_test"
    (folder / "00000003.png").write_bytes(b"\x89PNG and no more")
    (folder / "00000007.png").unlink()
    with pytest.raises(ValueError, match=r"2 of 12 images .*00000003\.png .*replace"):
        read("mnist_m", tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("00000000.png 3\n00000001.png\n", "line 2 of .*labels.txt is not a file name"),
        ("00000000.png three\n", "line 1 of .*labels.txt is not a file name"),
        ("00000000.png 10\n", "labels.txt has no labels from 0 to 9"),
        ("", "labels.txt has no labels from 0 to 9"),
    ],
)
def test_a_list_of_something_else_is_refused(
    tmp_path: Path, text: str, sentence: str
) -> None:
    sets.write_mnist_m(tmp_path)
    (tmp_path / "mnist_m/mnist_m_train_labels.txt").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read("mnist_m", tmp_path)


X, Y = torch.zeros(3, 28, 28, 3, dtype=torch.uint8), torch.tensor([1, 2, 3])


@pytest.mark.parametrize(
    "content",
    [X, (X, Y, Y), (X.float(), Y), (X[:2], Y), (X.permute(0, 3, 1, 2), Y), "x", (1, 2)],
)
def test_tensors_of_another_form_are_refused(tmp_path: Path, content: object) -> None:
    sets.write_mnist_m_tensors(tmp_path)
    torch.save(content, tmp_path / "mnist_m_train.pt")
    with pytest.raises(ValueError, match=r"mnist_m_train\.pt is cut off or not a pair"):
        read("mnist_m", tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 50, 400, -30])
def test_cut_tensors_are_named(tmp_path: Path, keep: int) -> None:
    sets.write_mnist_m_tensors(tmp_path)
    path = tmp_path / "mnist_m_test.pt"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"mnist_m_test\.pt is cut off") as error:
        read("mnist_m", tmp_path)
    assert "\n" not in str(error.value)


class Code:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_of_tensors_is_not_run(tmp_path: Path) -> None:
    sets.write_mnist_m_tensors(tmp_path)
    torch.save((X, Code(tmp_path / "ran")), tmp_path / "mnist_m_train.pt")
    with pytest.raises(ValueError, match="not a pair of tensors"):
        read("mnist_m", tmp_path)
    assert not (tmp_path / "ran").exists()


SOURCES = [
    ("usps", datasets.USPS, sets.write_usps_libsvm),
    ("svhn", datasets.SVHN, sets.write_svhn),
]


@pytest.mark.parametrize(("name", "source", "write"), SOURCES)
def test_a_download_replaces_what_is_missing_and_keeps_the_rest(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Path], str],
    name: str,
    source: type[datasets.USPS],
    write: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    write(tmp_path / "mirror", monkeypatch)
    folder = tmp_path / "mirror" / name
    address = serve(folder)
    found = {p: [address + f, f, md5] for p, (_, f, md5) in source.split_list.items()}
    monkeypatch.setattr(source, "split_list", found)
    kept = tmp_path / "here" / name / found["train"][1]
    kept.parent.mkdir(parents=True)
    shutil.move(folder / kept.name, kept)  # sound here: must not be fetched
    for part, pairs in zip(
        sets.PARTS, read(name, tmp_path / "here", True), strict=True
    ):
        assert pairs.y.tolist() == sets.labels(part).tolist()
    assert len(list(kept.parent.iterdir())) == 2


@pytest.mark.parametrize(("name", "source", "write"), SOURCES)
def test_a_failed_download_leaves_nothing_and_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    source: type[datasets.USPS],
    write: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    write(tmp_path / "mirror", monkeypatch)
    nowhere = {
        p: ["http://127.0.0.1:9/" + f, f, md5]
        for p, (_, f, md5) in source.split_list.items()
    }
    monkeypatch.setattr(source, "split_list", nowhere)
    with pytest.raises(ConnectionError, match=r"data\.download: .* there yourself"):
        read(name, tmp_path / "here", True)
    assert not (tmp_path / "here").exists()
