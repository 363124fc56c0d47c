"""Sets of digits: where they are, and what they hold."""

from pathlib import Path

import pytest
import torch

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
    sets.write_mnist(tmp_path)
    sets.write_usps(tmp_path)
    sets.write_mnist_m(tmp_path)
    sets.write_svhn(tmp_path, monkeypatch)
    return tmp_path


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
