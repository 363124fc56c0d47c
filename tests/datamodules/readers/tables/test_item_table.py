"""Names and features of items, beside pairs of one's own."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from datamodules import Interactions
from datamodules.readers.tables.item_columns import words
from datamodules.readers.tables.item_table import ItemTable
from datamodules.readers.tables.table import Table
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.odd_files.features import ITEM_COLUMNS, items
from tests.odd_files.odd_file import OddFile
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


def test_codes_with_zeros_are_words_in_text_as_in_typed_files(tmp_path: Path) -> None:
    lines = ("item,x,n", "a,001,1", "b,010,20", "c,001,300", "d,7,0")
    data = described(tmp_path, *lines)
    assert data.catalogue.feature_names == ["x=001", "x=010", "x=7", "n"]
    assert isinstance(data.catalogue.features, Tensor)
    assert data.catalogue.features[:, 3].tolist() == [1, 20, 300, 0]


def test_the_summary_counts_what_has_no_features_and_what_says_it_is_missing(
    tmp_path: Path,
) -> None:
    lines = ("item,tags", "b,War|NA", "zz,nan", "c,War")
    summary = described(tmp_path, *lines).summary()
    assert "2 items have no features in items.csv ('a', 'd')" in summary
    assert "1 rows of items.csv are of items in no pair ('zz')" in summary
    assert "2 rows say that 'tags' is missing ('War|NA')" in summary
    whole = described(tmp_path, "item,x", *(f"{item},1" for item in "abcd"))
    assert not whole.catalogue.remarks


def test_whole_floats_are_the_ids_that_they_are(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    path.write_bytes(items(item=[7.0, 8.0, 9.0], x=[1, 2, 3]))
    read = ItemTable(Table(path, "features"), "item").read(pl.Series([7, 8, 10]))
    assert read[3] == [
        "1 items have no features in own.parquet ('10')",
        "1 rows of own.parquet are of items in no pair ('9')",
    ]


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


@pytest.mark.parametrize("twin", ["Cafe\u0301", "Café\u200b", " Café"])
def test_new_items_that_look_like_others_are_refused(tmp_path: Path, twin: str) -> None:
    rows = ("1,Café", "1,b", "2,Café", "2,b")
    path = written(tmp_path / "own.csv", "user,item", *rows)
    items = written(tmp_path / "items.csv", "item,x", f"{twin},1", "b,2")
    with pytest.raises(ValueError, match=r"data.features: .*'item' .* look the same"):
        interactions(path, features=items, keep_cold_items=True)


def test_new_items_need_a_file_that_names_them(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "user,item", "1,5")
    with pytest.raises(ValueError, match=r"data.keep_cold_items is about items in"):
        interactions(path, keep_cold_items=True)
    with pytest.raises(ValueError, match=r"data.predict_items must be one of all, new"):
        interactions(path, predict_items="old")


# Columns of all types -----------------------------------------------------------------


def features(path: Path, n: int = 3, **options: Any) -> tuple[Any, list[list[float]]]:
    """Names and rows of the features of the first n of the items a, b, ..."""
    table = ItemTable(Table(path, "features"), "item", **options)
    _, rows, names, *_ = table.read(pl.Series(list("abcdefghijklmnopqrst")[:n]))
    assert isinstance(rows, Tensor)
    assert rows.dtype == torch.float32
    return names, rows.tolist()


@pytest.mark.parametrize("odd", ITEM_COLUMNS, ids=lambda odd: odd.name)
def test_an_odd_column_becomes_features_or_is_refused(
    tmp_path: Path, odd: OddFile
) -> None:
    path = odd.write(tmp_path)
    if odd.error is None:
        assert features(path) == odd.expected
        return
    with pytest.raises(ValueError, match=odd.error) as error:
        features(path)
    assert str(error.value).startswith(f"data.features: {path}")
    assert "\n" not in str(error.value)


def test_lists_are_no_names(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    path.write_bytes(items(title=[["a"], ["b"], ["c"]]))
    with pytest.raises(ValueError, match=r"'title' holds List.String., which can't be"):
        features(path, name_column="title")


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from(["War", "Drama", "", " "])), min_size=1))
def test_a_list_in_a_typed_file_is_the_words_of_a_line(rows: list[list[str]]) -> None:
    lists = pl.Series("genres", rows, dtype=pl.List(pl.String))
    (one, names), (other, same) = words(lists), words(lists.list.join("|"))
    assert names == same
    assert one.toarray().tolist() == other.toarray().tolist()


def test_twenty_times_stay_twenty_values_after_a_z_score(tmp_path: Path) -> None:
    ids, times = list("abcdefghijklmnopqrst"), range(1_700_000_000, 1_700_000_800, 40)
    path = tmp_path / "own.parquet"
    path.write_bytes(items(item=ids, time=times))
    _, rows = features(path, 20, normalise="zscore")
    expected = torch.arange(20.0) - 9.5
    expected /= expected.std(correction=0)
    torch.testing.assert_close(torch.tensor(rows)[:, 0], expected)
    with pytest.raises(ValueError, match=r"float32 can't .* set data.normalise to zsc"):
        features(path, 20)


def test_names_that_are_all_different_are_no_category_unless_they_are_asked_for(
    tmp_path: Path,
) -> None:
    ids = list("abcdefghijklmnopqrst")
    path = tmp_path / "own.parquet"
    path.write_bytes(items(item=ids, title=[f"the {i}" for i in ids], x=range(20)))
    says = r"left out 'title' \(nearly every value is of one item only\); name columns"
    with pytest.warns(UserWarning, match=says):
        assert features(path, 20)[0] == ["x"]
    assert features(path, 20, quiet=True)[0] == ["x"]
    assert len(features(path, 20, feature_columns=["title"])[0]) == 20
    path.write_bytes(items(item=ids, title=ids))
    with pytest.raises(ValueError, match=r"no column of features but 'title' .nearly"):
        features(path, 20)
    path.write_bytes(items(item=ids, maker=["a", "b"] * 10))
    assert features(path, 20)[0] == ["maker=a", "maker=b"]
