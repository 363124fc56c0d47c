"""Pairs of one's own: what is read, what is cut, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.readers.tables.pair_columns import clean_ids
from datamodules.readers.tables.pair_table import PairTable
from datamodules.readers.tables.table import Table
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.splitting import TEST, TRAIN, VAL, PairSplit, Split
from lightning_modules.data_contracts.user_items import UserItems
from tests.support.pair_files import interactions, of_user, pairs, written

FEW = ("u,i,r,t", "9,a,5,1", "9,b,4,2", "9,c,1,3", "9,d,5,4", "7,a,5,9", "9,b,2,0")
COLUMNS = {"user_column": "u", "item_column": "i"}
TIMED = COLUMNS | {"time_column": "t"}


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_all_three_formats_hold_the_same_pairs(tmp_path: Path, ending: str) -> None:
    frame = pl.read_csv(written(tmp_path / "few.txt", *FEW))
    path = tmp_path / f"own.{ending}"
    if ending == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator="," if ending == "csv" else "\t")
    data = interactions(path, test_share=0.5, **COLUMNS)
    assert pairs(data) == {(9, "a"), (9, "b"), (9, "c"), (9, "d"), (7, "a")}
    assert (data.n_users, data.n_items) == (2, 4)


def test_ids_that_are_not_numbers_are_kept_as_they_are_written(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", "user,item", "Zoë,1", "12,2", "Zoë,2", "Zoë,3")
    data = interactions(path, test_share=0.4)
    assert pairs(data) == {("Zoë", 1), ("12", 2), ("Zoë", 2), ("Zoë", 3)}
    assert data.catalogue.user_rows(["Zoë"], 2).tolist() == [1]


def test_text_after_a_thousand_numbers_makes_all_ids_text(tmp_path: Path) -> None:
    numbers = [f"{n % 50},{n}" for n in range(1500)]
    path = written(tmp_path / "own.csv", "user,item", *numbers, "late,7")
    data = interactions(path)
    assert {"0", "late"} <= {user for user, _ in pairs(data)}
    assert len(pairs(data)) == 1501


def test_brackets_in_a_name_stand_for_themselves(tmp_path: Path) -> None:
    path = written(tmp_path / "own[1].csv", "user,item", "1,2", "1,3")
    assert pairs(interactions(path, test_share=0.4)) == {(1, 2), (1, 3)}


def test_ratings_below_the_threshold_are_no_pairs(tmp_path: Path) -> None:
    path = written(tmp_path / "own.csv", *FEW)
    rated = {"rating_column": "r", "rating_threshold": 4}
    data = interactions(path, test_share=0.4, **COLUMNS, **rated)
    assert pairs(data) == {(9, "a"), (9, "b"), (9, "d"), (7, "a")}


def test_the_last_item_is_for_test_and_the_one_before_for_validation(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "own.csv", *FEW)
    data = interactions(path, split="leave_one_out", **TIMED)
    # b came at 2 and at 0, and the earliest counts
    assert of_user(data, 9) == [{"a", "b"}, {"c"}, {"d"}]
    assert of_user(data, 7) == [{"a"}, set(), set()]


def test_dates_order_pairs_as_numbers_do(tmp_path: Path) -> None:
    days = ("2024-03-01", "2024-01-02", "2023-12-31", "2024-01-01")
    rows = [f"1,{item},{day}" for item, day in enumerate(days)]
    path = written(tmp_path / "own.csv", "u,i,t", *rows)
    data = interactions(path, split="leave_one_out", **TIMED)
    assert of_user(data, 1) == [{2, 3}, {1}, {0}]
    pl.read_csv(path, try_parse_dates=True).write_parquet(tmp_path / "own.parquet")
    data = interactions(tmp_path / "own.parquet", split="leave_one_out", **TIMED)
    assert of_user(data, 1) == [{2, 3}, {1}, {0}]


def test_a_cut_in_time_is_the_same_for_all_and_drops_users_unheard_of(
    tmp_path: Path,
) -> None:
    rows = [f"{user},{time},{time}" for user in (1, 2) for time in range(1, 9)]
    path = written(tmp_path / "own.csv", "u,i,t", *rows, "3,9,9", "3,10,9", "1,9,9")
    shares = {"split": "time", "val_share": 0.2, "test_share": 0.2}
    data = interactions(path, **TIMED, **shares)
    # 19 pairs; cuts at places 11 and 15 of 1 1 2 2 ... 8 8 9 9 9
    assert of_user(data, 1) == [{1, 2, 3, 4, 5}, {6, 7}, {8, 9}]
    assert data.catalogue.user_ids is not None
    assert data.catalogue.user_ids.tolist() == [1, 2]
    data = interactions(path, keep_cold_users=True, **TIMED, **shares)
    assert of_user(data, 3) == [set(), set(), {9, 10}]


def test_a_late_word_among_users_leaves_items_and_times_numbers(
    tmp_path: Path,
) -> None:
    rows = [f"{n % 50},{n % 7:03d},{881_000_000 + n}" for n in range(1500)]
    path = written(tmp_path / "own.csv", "user,item,time", *rows, "guest,003,5")
    data = interactions(path, time_column="time", split="time")
    assert data.catalogue.item_ids is not None
    assert data.catalogue.item_ids.tolist() == list(range(7))
    assert data.catalogue.user_ids is not None
    assert "guest" in data.catalogue.user_ids.tolist()


@pytest.mark.parametrize("wanted", [["00007", "00010"], [7, 10], ["7", 10]])
def test_users_may_be_named_without_the_zeros_in_front(wanted: list[Any]) -> None:
    ids = np.array(["00003", "00007", "00010", "x"])
    assert Catalogue(ids).user_rows(wanted, 4).tolist() == [1, 2]


def test_a_number_that_stands_for_two_users_is_none_of_them() -> None:
    known = Catalogue(np.array(["007", "07", "8"]))
    with pytest.raises(ValueError, match="there is no user '7' in the data"):
        known.user_rows([7], 3)
    assert known.user_rows(["07"], 3).tolist() == [1]
    with pytest.raises(ValueError, match=r"data.predict_users is empty"):
        known.user_rows([], 3)


def test_other_ids_and_other_training_pairs_have_other_marks(tmp_path: Path) -> None:
    rows = [f"{user},{item}" for user in (1, 2) for item in range(9)]
    path = written(tmp_path / "own.csv", "user,item", *rows)
    renamed = written(tmp_path / "b.csv", "user,item", *rows[:9], "3,8", "3,7")
    one, again, other = (
        interactions(path, split_seed=n).fingerprints for n in (0, 0, 1)
    )
    assert one == again
    assert one["users and items"] == other["users and items"]
    assert one["training pairs"] != other["training pairs"]
    moved = interactions(renamed).fingerprints
    assert moved["users and items"] != one["users and items"]


def test_one_user_with_everything_is_cut_by_shares(tmp_path: Path) -> None:
    rows = [f"1,{item}" for item in range(10)]
    data = interactions(written(tmp_path / "own.csv", "user,item", *rows))
    assert [len(part) for part in of_user(data, 1)] == [7, 1, 2]


def test_a_core_is_taken_again_until_all_have_enough(tmp_path: Path) -> None:
    # a chain 1-a-2-b-3-c beside a square of 8, 9 and x, y falls link by link
    chain = ["1,a", "2,a", "2,b", "3,b", "3,c"]
    path = written(
        tmp_path / "own.csv", "user,item", *chain, "8,x", "8,y", "9,x", "9,y"
    )
    data = interactions(path, k_core=2, test_share=0.5)
    assert pairs(data) == {(8, "x"), (8, "y"), (9, "x"), (9, "y")}


def test_the_cut_depends_on_its_seed_but_not_on_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    rows = [f"{user},{item}" for user in range(20) for item in range(10)]
    one = written(tmp_path / "one.csv", "user,item", *rows)
    two = written(tmp_path / "two.csv", "user,item", *rows[::-1], *rows[:9])
    first, same, other = (
        pairs(interactions(path, split_seed=seed), "test")
        for path, seed in ((one, 3), (two, 3), (one, 4))
    )
    assert first == same != other


def test_batches_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    rows = [f"{user},{item}" for user in range(20) for item in range(10)]
    path = written(tmp_path / "own.csv", "user,item", *rows)
    alone, helped = (
        interactions(path, batch_size=16, num_workers=n).train_dataloader()
        for n in (0, 1)
    )
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(torch.stack(one), torch.stack(other))


TABLES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5)), min_size=1
)


def table_of(rows: list[tuple[int, int, int]]) -> PairTable:
    columns = (pl.Series(column, dtype=pl.Int64) for column in zip(*rows, strict=True))
    return PairTable.of(*columns)


@settings(deadline=None)
@given(TABLES)
def test_ids_come_back_and_duplicates_keep_the_earliest_time(
    rows: list[tuple[int, int, int]],
) -> None:
    table = table_of(rows)
    users, items = table.user_ids.to_numpy(), table.item_ids.to_numpy()
    assert table.times is not None
    found = zip(users[table.users], items[table.items], table.times, strict=True)
    first = {(u, i): min(t for v, j, t in rows if (u, i) == (v, j)) for u, i, _ in rows}
    assert list(found) == sorted((u, i, t) for (u, i), t in first.items())


@settings(deadline=None)
@given(TABLES, st.integers(1, 4))
def test_a_core_is_the_largest_set_in_which_all_have_enough(
    rows: list[tuple[int, int, int]], k: int
) -> None:
    found = table_of(rows).core(k)
    left = {(u, i) for u, i, _ in rows}
    while True:  # the slow way: one pair at a time
        weak = next(
            (
                (u, i)
                for u, i in left
                if sum(u == v for v, _ in left) < k or sum(i == j for _, j in left) < k
            ),
            None,
        )
        if weak is None:
            break
        left.remove(weak)
    users, items = found.user_ids.to_numpy(), found.item_ids.to_numpy()
    kept = zip(users[found.users], items[found.items], strict=True)
    assert set(kept) == left
    assert set(users) == {u for u, _ in left}
    assert found.core(k) is found


@settings(deadline=None)
@given(
    TABLES,
    st.sampled_from(["ratio", "leave_one_out"]),
    st.floats(0, 0.49),
    st.floats(0.01, 0.5),
)
def test_each_user_keeps_a_training_pair_and_gives_the_shares(
    rows: list[tuple[int, int, int]], split: Split, val: float, test: float
) -> None:
    table = table_of(rows)
    parts = PairSplit(split, val, test).parts(table)
    assert set(parts.tolist()) <= {TRAIN, VAL, TEST}
    for user, n in enumerate(table.counts):
        own = np.bincount(parts[table.users == user], minlength=3)
        assert own.sum() == n
        assert own[TRAIN] >= 1
        if split == "leave_one_out":
            assert own[VAL] == own[TEST] == (n >= 3)
        else:
            assert abs(own[TEST] - test * n) <= 0.5 + 1e-9
            assert own[VAL] <= val * n + 0.5 + 1e-9


@settings(deadline=None)
@given(TABLES, st.floats(0, 0.49), st.floats(0.01, 0.5), st.booleans())
def test_no_test_pair_is_as_early_as_a_training_pair(
    rows: list[tuple[int, int, int]], val: float, test: float, cold: bool
) -> None:
    table = table_of(rows)
    parts = PairSplit("time", val, test, keep_cold_users=cold).parts(table)
    assert table.times is not None
    for early, late in ((TRAIN, VAL), (TRAIN, TEST), (VAL, TEST)):
        before, after = table.times[parts == early], table.times[parts == late]
        assert before.max(initial=-1) < after.min(initial=99)
    if cold:
        assert set(parts.tolist()) <= {TRAIN, VAL, TEST}
    known = set(table.users[parts == TRAIN].tolist())
    assert cold or set(table.users[parts == TEST].tolist()) <= known


def test_what_is_made_without_sorting_is_what_sorting_makes(tmp_path: Path) -> None:
    rows = [
        f"{user},{(user * 7 + item) % 31}" for user in range(9) for item in range(8)
    ]
    data = interactions(written(tmp_path / "own.csv", "user,item", *rows))
    for part in (
        data.interactions("train"),
        data.interactions("val"),
        data.interactions("test"),
    ):
        again = UserItems.from_pairs(part.users, part.items, 9, data.n_items)
        assert torch.equal(part.starts, again.starts)
        assert torch.equal(part.items, again.items)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("u,i\n1,2\n", {}, r"data.path: .*own.csv has no column 'user', but u, i; did you"),
    ("user,item\n-1,2\n", {}, r"the 'user' of row 1 is negative \(-1\)"),
    ("user,item\n1,2\n1,\n", {}, "the 'item' of row 2 is missing, as are 1 in all"),
    ("user,item\n1,2.5\n", {}, "the 'item' of row 1 is not a whole number"),
    ("", {}, "data.path: .*own.csv is empty"),
    ("user,item\n", {}, "own.csv has no row"),
    ("user,item\n1,2\n3,4,5\n", {}, "own.csv is not a valid text table .found more"),
    ("user,item\n1,2\n", {"item_column": "user"}, "are not all different"),
    ("user,item\n1,2\n", {}, "data.split leaves no test pair of the 1 in .*own.csv"),
    ("user,item\n1,2\n", {"k_core": 2}, "data.k_core: no user and item of .*own.csv"),
    (
        "user,item,r\n1,2,3\n1,3,good\n",
        {"rating_column": "r", "rating_threshold": 1},
        r"the 'r' of row 2 is not a number \('good'\)",
    ),
    (
        "user,item,r\n1,2,3\n",
        {"rating_column": "r", "rating_threshold": 4},
        "data.rating_threshold: no row of .* has a 'r' of 4 or more; lower it",
    ),
    (
        "user,item,r\n1,2,0\n1,,3\n",
        {"rating_column": "r", "rating_threshold": 1},
        "the 'item' of row 2 is missing",
    ),
    (
        "user,item,t\n1,2,noon\n",
        {"time_column": "t", "split": "time"},
        r"the 't' of row 1 is not a time",
    ),
    (
        "user,item,t\n1,2,5\n1,3,5\n2,2,5\n",
        {"time_column": "t", "split": "time"},
        "data.split leaves no training pair of the 3",
    ),
]


@pytest.mark.parametrize(("text", "options", "says"), WRONG)
def test_a_file_that_makes_no_pairs_is_refused_in_a_sentence(
    tmp_path: Path, text: str, options: dict[str, Any], says: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=says) as error:
        interactions(path, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("own.csv", "user,item\nJosé,2\n".encode("latin-1"), "is not UTF-8 text; save"),
        ("own.parquet", b"", "own.parquet is empty"),
        (
            "own.parquet",
            b"user,item\n1,2\n" * 9,
            "own.parquet is not a valid Parquet file",
        ),
        ("own.xlsx", b"PK", "has an unknown ending; it can be one of .csv"),
    ],
)
def test_bytes_that_are_no_table_are_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"data.path: .*{says}"):
        interactions(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"k_core": 0}, "data.k_core must be .* got 0"),
        ({"split": "half"}, "data.split must be one of ratio, leave_one_out"),
        ({"split": "time"}, "data.split: time needs data.time_column"),
        ({"val_share": -0.1}, r"data.val_share must be in \[0, 1\)"),
        ({"test_share": 0.0}, r"data.test_share must be in \(0, 1\)"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave no pair to train on"),
        ({"rating_column": "r"}, "data.rating_threshold belong together"),
        ({"normalise": "l2"}, "name it in data.features"),
        ({"path": "nowhere.csv"}, "data.path: nowhere.csv does not exist"),
    ],
)
def test_arguments_that_make_no_data_are_refused(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        interactions(**({"path": "own.csv"} | options))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pl.Series("id", [1.0, float("nan")]), "row 2 is missing"),
        (pl.Series("id", [1.0, None]), "row 2 is missing"),
        (pl.Series("id", [0.5, 1.0]), "row 1 is not a whole number"),
        (pl.Series("id", [1.0, float("inf")]), "row 2 is not a whole number"),
        (pl.Series("id", ["a", None]), "row 2 is missing"),
    ],
)
def test_ids_that_are_missing_or_broken_are_refused(
    column: pl.Series, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        clean_ids(Table(Path("own.parquet"), "path"), column)


def test_whole_floats_and_large_numbers_are_ids() -> None:
    table = Table(Path("own.parquet"), "path")
    assert clean_ids(table, pl.Series([1.0, 2.0])).to_list() == [1, 2]
    large = pl.Series([1, 2**63], dtype=pl.UInt64)
    assert clean_ids(table, large).to_list() == ["1", str(2**63)]
