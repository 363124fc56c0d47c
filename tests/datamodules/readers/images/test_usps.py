"""USPS from HDF5 and from libsvm files."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.support import digit_sets as sets


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
