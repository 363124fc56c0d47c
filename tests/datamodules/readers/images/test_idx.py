"""Idx files, sound, cut off and damaged."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import datasets

from datamodules import MNIST
from tests.support.digit_sets import contents, idx, root_of, unpack, write

KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


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
    labels = folder / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(torch.zeros(3, dtype=torch.uint8)))
    with pytest.raises(ValueError, match=r"train-images.* 20 images but train-labels"):
        MNIST(root_of(folder)).prepare_data()


def repacked(content: bytes) -> bytes:
    """The same bytes, but another file than the published one."""
    return gzip.compress(gzip.decompress(content), 1, mtime=1)


@settings(max_examples=20)
@given(
    st.lists(st.sampled_from(["kept", "unpacked", "repacked"]), min_size=4, max_size=4)
)
def test_each_file_may_be_packed_by_whomever_or_unpacked(forms: list[str]) -> None:
    with TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:
        folder = write(Path(root), patch)
        for path, form in zip(sorted(folder.iterdir()), forms, strict=True):
            content = path.read_bytes()
            if form == "repacked":
                path.write_bytes(repacked(content))
            elif form == "unpacked":
                path.with_suffix("").write_bytes(gzip.decompress(content))
                path.unlink()
        data = MNIST(root, n_val=0)
        data.prepare_data()
        data.setup()
        for part, name in ((data.train_set, "train"), (data.test_set, "t10k")):
            x, y = (contents()[f"{name}-{k}"] for k in KINDS)
            assert torch.equal(part.x, x[:, None])
            assert torch.equal(part.y, y.long())


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        (
            "t10k-images-idx3-ubyte",
            torch.zeros(6, 28, 28, 3),
            r"holds bytes of shape \(6, 28, 28, 3\) in the place of grey images",
        ),
        (
            "t10k-labels-idx1-ubyte",
            torch.zeros(6, 2),
            r"holds bytes .* in the place of labels \(n,\)",
        ),
        ("train-labels-idx1-ubyte", torch.full((20,), 25), "has the label 25"),
    ],
)
def test_the_file_that_holds_something_else_is_named(
    folder: Path, packed: bool, name: str, values: torch.Tensor, says: str
) -> None:
    content = idx(values.to(torch.uint8))
    (folder / f"{name}.gz").unlink()
    path = folder / f"{name}{'.gz' * packed}"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=rf"data\.root: \S*{path.name} {says}"):
        MNIST(root_of(folder)).prepare_data()


def test_the_file_that_is_missing_is_named(folder: Path) -> None:
    unpack(folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"raw/t10k-labels-idx1-ubyte\.gz, whi"):
        MNIST(root_of(folder)).prepare_data()
