"""Tables of labelled rows: cut by class, scaled by what is trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from datamodules import LabelledTable
from tests.support.feature_sets import write


def test_every_row_is_in_one_part_and_every_class_in_all() -> None:
    data = LabelledTable("wine", normalise="none", val_share=0.3, test_share=0.1)
    data.setup()
    parts = (data.train_set, data.val_set, data.test_set)
    assert [len(part) for part in parts] == [106, 54, 18]
    for part in parts:
        shares = torch.bincount(part.y, minlength=3) / len(part)
        expected = torch.bincount(torch.from_numpy(load_wine().target)) / 178
        assert (shares - expected).abs().max() < 0.03
    together = torch.cat([part.x for part in parts])
    rows = torch.from_numpy(load_wine().data).float()
    assert sorted(together.tolist()) == sorted(rows.tolist())


def test_the_scale_is_that_of_the_training_rows() -> None:
    data = LabelledTable("wine")
    x = data.real("train")
    torch.testing.assert_close(x.mean(0), torch.zeros(13), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(13))
    assert data.real("test").mean(0).abs().max() > 0.01


def test_a_whole_batch_is_all_training_rows() -> None:
    data = LabelledTable("wine")
    data.setup()
    ((x, y),) = list(data.train_dataloader())
    assert sorted(x.tolist()) == sorted(data.train_set.x.tolist())
    assert len(y) == len(data.train_set) == data.batch_size


def test_neighbours_are_looked_for_among_training_rows() -> None:
    data = LabelledTable("iris", batch_size=7)
    data.setup()
    for loaders, part in (
        (data.val_dataloader(), data.val_set),
        (data.test_dataloader(), data.test_set),
    ):
        known, asked = (torch.cat([x for x, _ in loader]) for loader in loaders)
        assert torch.equal(known, data.train_set.x)
        assert torch.equal(asked, part.x)


def test_prediction_names_rows_by_their_place_in_the_table() -> None:
    data = LabelledTable("wine", normalise="none", batch_size=7)
    data.setup("predict")
    x, numbers = map(torch.cat, zip(*data.predict_dataloader(), strict=True))
    assert torch.equal(x, data.test_set.x)
    assert torch.equal(x, torch.from_numpy(load_wine().data).float()[numbers])


def test_another_split_seed_cuts_elsewhere() -> None:
    one, again, other = (LabelledTable("wine", split_seed=s) for s in (0, 0, 1))
    assert torch.equal(one.real("train"), again.real("train"))
    assert not torch.equal(one.real("train"), other.real("train"))


@pytest.mark.parametrize("classes", [[4, 7, 9], ["bat", "cat", "dog"]])
def test_a_file_is_a_table_with_classes_of_its_own(
    tmp_path: Path, classes: list[Any]
) -> None:
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    np.savez(tmp_path / "own.npz", x=x, y=np.tile(classes, 10))
    data = LabelledTable(str(tmp_path / "own.npz"), normalise="none")
    data.setup()
    assert (data.class_names, data.shape) == (tuple(map(str, classes)), (2,))
    assert set(data.train_set.y.tolist()) == {0, 1, 2}
    row = int(data.train_set.x[0, 0]) // 2
    assert data.train_set.y[0] == row % 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"val_share": 0.0}, r"data.val_share must be in \(0, 1\)"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave no row to train on"),
        ({"batch_size": 1}, "data.batch_size"),
        ({"table": "wines"}, "data.table: wines has an unknown ending"),
    ],
)
def test_what_makes_no_table_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        LabelledTable(**options).setup()


def test_a_class_of_one_row_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=np.ones((9, 2)), y=[0] * 8 + [1])
    with pytest.raises(ValueError, match="can't be split so that every class is in"):
        LabelledTable(str(tmp_path / "own.npz")).setup()


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.ones((9, 2)))
    with pytest.raises(ValueError, match=r"own.npy has no labels; add them"):
        LabelledTable(str(tmp_path / "own.npy")).setup()


@pytest.mark.parametrize("ending", [".npz", ".mat"])
def test_a_z_score_is_that_of_float64(tmp_path: Path, ending: str) -> None:
    near = np.random.default_rng(0).normal(size=(90, 3))
    y = np.arange(90) % 3
    scores = []
    for name, x in (("near", near), ("far", near + 1e8)):  # float32 tells 8 apart
        data = LabelledTable(str(write(tmp_path / f"{name}{ending}", x, y)))
        data.setup()
        assert data.train_set.x.dtype == torch.float32
        scores.append(data.train_set.x)
    torch.testing.assert_close(*scores, atol=1e-5, rtol=0)


def test_what_float32_would_merge_is_refused_unless_it_is_scored(
    tmp_path: Path,
) -> None:
    x = 1e8 + np.random.default_rng(0).normal(size=(90, 3))
    path = str(write(tmp_path / "own.npz", x, np.arange(90) % 3))
    with pytest.raises(
        ValueError, match=r"data.table: .*own.npz: fts has a column .1,"
    ):
        LabelledTable(path, normalise="none").setup()


def test_logarithms_of_negative_features_are_refused(tmp_path: Path) -> None:
    path = str(write(tmp_path / "own.npz", -np.ones((9, 2)), np.arange(9) % 3))
    with pytest.raises(ValueError, match=r"data.normalise: log1p is for counts, but"):
        LabelledTable(path, normalise="log1p").setup()
