"""Archives: checked, downloaded and replaced."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from torchvision import datasets

from datamodules import MNIST
from tests.support import digit_sets as sets


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
        sets.read(name, tmp_path)


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
        sets.PARTS, sets.read(name, tmp_path / "here", True), strict=True
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
        sets.read(name, tmp_path / "here", True)
    assert not (tmp_path / "here").exists()


def test_a_failed_download_takes_away_only_the_folders_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    (tmp_path / "old").mkdir()
    with pytest.raises(ConnectionError):
        MNIST(str(tmp_path / "old" / "new" / "newer"), download=True).prepare_data()
    assert [p.name for p in tmp_path.rglob("*")] == ["old"]
    with pytest.raises(ConnectionError):
        MNIST(str(tmp_path / "old"), download=True).prepare_data()
    assert [p.name for p in tmp_path.rglob("*")] == ["old"]
