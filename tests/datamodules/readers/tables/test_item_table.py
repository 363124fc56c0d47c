"""Names and features of items, beside pairs of one's own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from datamodules import Interactions
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.pair_files import PARTS, interactions, pairs, written


def described(folder: Path, *lines: str, **options: Any) -> Interactions:
    """Pairs of items a, b, c and d, and a file of items."""
    rows = [f"{user},{item}" for user in (1, 2) for item in "abcd"]
    path = written(folder / "own.csv", "user,item", *rows)
    items = written(folder / "items.csv", *lines)
    return interactions(path, features=items, **options)


def test_features_stand_in_the_rows_of_their_items(tmp_path: Path) -> None:
    data = described(
        tmp_path,
        "item,year,genres,title",
        "d,4,War,Dr. D",
        "b,2,Drama | War|War,Bees",
        "zz,9,Alien,unknown item",
        "a,1,,",
        name_column="title",
    )
    found = data.catalogue.features
    assert isinstance(found, Tensor)
    # c has no row; Alien belongs to an item that is in no pair
    assert data.catalogue.feature_names == ["year", "genres=Drama", "genres=War"]
    assert found.tolist() == [[1, 0, 0], [2, 1, 1], [0, 0, 0], [4, 0, 1]]
    assert data.catalogue.named([0, 1, 2, 3]) == ["a", "Bees", "c", "Dr. D"]


def test_only_the_columns_that_are_asked_for_are_features(tmp_path: Path) -> None:
    lines = ("item,x,y,title", "a,1,5,A", "b,2,6,B", "c,3,7,C", "d,4,8,D")
    data = described(tmp_path, *lines, feature_columns=["y"])
    assert data.catalogue.features is not None
    assert data.catalogue.feature_names == ["y"]
    named = described(tmp_path, *lines, feature_columns=[], name_column="title")
    assert named.catalogue.features is None
    assert named.catalogue.named([3]) == ["D"]


def test_items_without_a_row_are_average_after_a_z_score(tmp_path: Path) -> None:
    data = described(tmp_path, "item,x", "a,1", "d,3", normalise="zscore")
    expected = torch.tensor([[-1.0], [0.0], [0.0], [1.0]])
    assert isinstance(data.catalogue.features, Tensor)
    torch.testing.assert_close(data.catalogue.features, expected)


def test_wide_features_with_few_entries_are_sparse(tmp_path: Path) -> None:
    wide = "|".join(f"tag{n:03}" for n in range(101))
    lines = ["item,tags", f"a,{wide}"] + [f"{n},tag000" for n in range(200)]
    pairs = [f"{user},{item}" for user in (1, 2) for item in ("a", *range(200), "q")]
    path = written(tmp_path / "own.csv", "user,item", *pairs)
    data = interactions(path, features=written(tmp_path / "items.csv", *lines))
    found, ids = data.catalogue.features, data.catalogue.item_ids
    assert isinstance(found, SparseRows)
    assert ids is not None
    expected = torch.zeros(202, 101)
    expected[:, 0] = 1
    expected[ids.tolist().index("a")] = 1
    expected[ids.tolist().index("q")] = 0
    assert torch.equal(found.to_dense(), expected)


def test_names_may_stand_beside_the_pairs(tmp_path: Path) -> None:
    rows = ("1,5,Five", "1,3,Three", "2,5,Five", "2,4,")
    path = written(tmp_path / "own.csv", "user,item,title", *rows)
    data = interactions(path, test_share=0.5, name_column="title")
    assert data.catalogue.named([0, 1, 2]) == ["Three", "4", "Five"]


def test_numbers_match_ids_that_became_text(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "user,item", "1,7", "1,8", "2,x", "2,7")
    items = written(tmp_path / "items.csv", "item,w", "7,1", "8,2")
    data = interactions(path, test_share=0.5, features=items)
    assert isinstance(data.catalogue.features, Tensor)
    assert data.catalogue.features.flatten().tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("lines", "options", "says"),
    [
        (("item,x", "p,1"), {}, "describes none of the 4 items: its 'item' are like"),
        (("item,x", "a,1", "a,2"), {}, "has two rows of the item 'a'; leave one"),
        (("item,x", "a,1", "b,"), {}, "the item 'b' has no 'x', nor have 1 in all"),
        (("item,x", "a,1", "b,nan"), {}, "the item 'b' has no 'x'"),
        (("item,x", "a,1", "b,2", "c,n.a."), {}, "the item 'c' has no 'x'"),
        (("id,x", "a,1"), {}, "items.csv has no column 'item', but id, x"),
        (("item,x", "a,1"), {"name_column": "name"}, "has no column 'name'"),
        (("item,x", "a,1"), {"feature_columns": ["y"]}, "has no column 'y'"),
        (("item,x", "a,inf"), {}, "has a NaN or infinite feature"),
        (("item,x", "a,"), {}, "data.features: .*items.csv"),
    ],
)
def test_a_table_that_describes_no_items_is_refused(
    tmp_path: Path, lines: tuple[str, ...], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        described(tmp_path, *lines, **options)


def test_a_missing_table_of_items_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "user,item", "1,7", "1,8")
    with pytest.raises(FileNotFoundError, match=r"features: no\.csv does not exist"):
        interactions(path, features="no.csv")


# Items that nobody took ---------------------------------------------------------------


def test_new_items_stand_among_the_others_and_no_pair_changes(tmp_path: Path) -> None:
    lines = ("item,x", "d,4", "ba,7", "b,2", "a,1", "c,3", "aa,9", "zz,8")
    without = described(tmp_path, *lines)
    data = described(tmp_path, *lines, keep_cold_items=True)
    assert data.catalogue.item_ids is not None
    assert data.catalogue.item_ids.tolist() == ["a", "aa", "b", "ba", "c", "d", "zz"]
    assert isinstance(data.catalogue.features, Tensor)
    assert data.catalogue.features.flatten().tolist() == [1, 9, 2, 7, 3, 4, 8]
    for part in PARTS:
        assert pairs(data, part) == pairs(without, part)


def test_new_items_of_another_kind_of_id_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "user,item", "1,5", "1,6", "2,5", "2,6")
    items = written(tmp_path / "items.csv", "item,x", "5,1", "new,2")
    with pytest.raises(ValueError, match=r"make them the same to keep items that are"):
        interactions(path, features=items, keep_cold_items=True)


def test_new_items_need_a_file_that_names_them(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "user,item", "1,5")
    with pytest.raises(ValueError, match=r"data.keep_cold_items is about items in"):
        interactions(path, keep_cold_items=True)
    with pytest.raises(ValueError, match=r"data.predict_items must be one of all, new"):
        interactions(path, predict_items="old")
