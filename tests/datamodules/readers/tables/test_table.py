"""Tables in CSV, TSV and Parquet."""

from pathlib import Path

import polars as pl
import pytest

from tests.support.pair_files import (
    COLUMNS,
    FEW,
    interactions,
    pairs,
    written,
)


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


def test_text_after_a_thousand_numbers_makes_all_ids_text(tmp_path: Path) -> None:
    numbers = [f"{n % 50},{n}" for n in range(1500)]
    path = written(tmp_path / "own.csv", "user,item", *numbers, "late,7")
    data = interactions(path)
    assert {"0", "late"} <= {user for user, _ in pairs(data)}
    assert len(pairs(data)) == 1501


def test_brackets_in_a_name_stand_for_themselves(tmp_path: Path) -> None:
    path = written(tmp_path / "own[1].csv", "user,item", "1,2", "1,3")
    assert pairs(interactions(path, test_share=0.4)) == {(1, 2), (1, 3)}


def test_a_late_word_among_users_leaves_items_and_times_numbers(
    tmp_path: Path,
) -> None:
    rows = [f"{n % 50},{n % 7},{881_000_000 + n}" for n in range(1500)]
    path = written(tmp_path / "own.csv", "user,item,time", *rows, "guest,3,5")
    data = interactions(path, time_column="time", split="time")
    assert data.catalogue.item_ids is not None
    assert data.catalogue.item_ids.tolist() == list(range(7))
    assert data.catalogue.user_ids is not None
    assert "guest" in data.catalogue.user_ids.tolist()


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


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"caf\udce9.{ending}"
    path.write_bytes(b"user,item\n1,2\n")
    with pytest.raises(ValueError, match=r"data\.path: .*caf\\xe9.* is not UTF-8; ren"):
        interactions(path)
