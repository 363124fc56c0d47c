"""SVHN from its two files."""

from pathlib import Path

import pytest

from datamodules.readers.images.svhn import SVHNFiles
from tests.support import digit_sets as sets


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
