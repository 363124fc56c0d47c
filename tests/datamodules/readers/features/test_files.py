"""Feature files in every format, sound, cut off and damaged."""

from pathlib import Path

import numpy as np
import pytest

from datamodules.readers.features.files import read_features
from tests.odd_files.features import FEATURES
from tests.odd_files.odd_file import OddFile
from tests.support.feature_sets import (
    DENSE,
    X,
    Y,
    filled,
    same,
    write,
)


@pytest.mark.parametrize("ending", DENSE)
def test_without_labels_there_are_none(tmp_path: Path, ending: str) -> None:
    assert same(read_features(write(tmp_path / f"few{ending}", X)), y=None)


def test_labels_of_another_file_take_the_place_of_its_own(tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", Y + 1)
    for ending in (".npy", ".npz"):
        path = write(tmp_path / f"few{ending}", X, Y)
        assert same(read_features(path, labels=tmp_path / "other.npy"), y=Y + 1)


def test_a_bad_file_of_labels_is_named_by_its_own_key(tmp_path: Path) -> None:
    path = write(tmp_path / "few.npy", X, Y[:-1])
    with pytest.raises(ValueError, match=r"^data\.path: .*few_labels\.npy has 6"):
        read_features(path)
    with pytest.raises(ValueError, match=r"^data\.labels\.path: .*few_labels\.npy has"):
        read_features(path, labels=tmp_path / "few_labels.npy")


@pytest.mark.parametrize("ending", [".mat", ".npz", ".h5"])
def test_what_is_there_is_named_where_features_are_not(
    tmp_path: Path, ending: str
) -> None:
    path = write(tmp_path / f"few{ending}", X, Y, ("pixels", "labels"))
    with pytest.raises(ValueError, match=r"few\..* holds .*pixels.*, and no features"):
        read_features(path)


def test_an_unknown_ending_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "few.doc").write_text("1,2\n")
    with pytest.raises(ValueError, match=r"few\.doc has an unknown ending; .*\.mat"):
        read_features(tmp_path / "few.doc")
    with pytest.raises(FileNotFoundError, match=r"few\.mat does not exist"):
        read_features(tmp_path / "few.mat")
    path = write(tmp_path / "few.npz", X, Y)
    with pytest.raises(ValueError, match=r"few\.csv has an unknown ending; .*\.npy"):
        read_features(path, labels=tmp_path / "few.csv")
    with pytest.raises(FileNotFoundError, match=r"gone\.npy does not exist"):
        read_features(path, labels=tmp_path / "gone.npy")


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("odd", FEATURES, ids=lambda odd: odd.name)
def test_an_odd_file_is_read_right_or_refused(tmp_path: Path, odd: OddFile) -> None:
    path = odd.write(tmp_path)
    if odd.error is None:
        found = read_features(path, **odd.options)
        assert np.array_equal(filled(found.x), np.array(odd.expected[0], np.float32))
        assert (None if found.y is None else found.y.tolist()) == odd.expected[1]
        return
    with pytest.raises(ValueError, match=odd.error) as error:
        read_features(path, **odd.options)
    assert str(error.value).startswith(f"data.path: {path}")
    assert "\n" not in str(error.value)


@pytest.mark.data
def test_the_features_of_the_published_files_are_read_as_published(
    real_data: Path,
) -> None:
    found = read_features(real_data / "office_caltech10/surf/dslr.mat")
    assert found.x.shape == (157, 800)
    assert found.y is not None
    assert np.bincount(found.y)[1:].tolist() == [12, 21, 12, 13, 10, 24, 22, 12, 8, 23]
