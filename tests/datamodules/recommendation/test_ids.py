"""Ids are text until they are matched: no reader, config or prediction rewrites one."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unicodedata import category, normalize

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules import Interactions, MovieLens
from tests.odd_files.odd_file import OddFile
from tests.odd_files.tables import TABLES
from tests.support.pair_files import WRITERS, read_movielens

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")
IDS = st.text(LETTERS, min_size=1).filter(str.strip) | st.from_regex(
    r"[0-9][0-9_.:e]{0,5}", fullmatch=True
)


def looks(word: str) -> str:
    """A word without what nobody sees."""
    shown = normalize("NFC", word)
    return "".join(c for c in shown if category(c) != "Cf").strip()


CATALOGUES = st.lists(IDS, min_size=2, max_size=8, unique_by=looks)


def read(path: Path, **options: Any) -> set[tuple[Any, Any]]:
    """All pairs of a file by their ids."""
    table = Interactions(str(path), **options).read_table()
    users, items = table.user_ids.to_list(), table.item_ids.to_list()
    return {(users[u], items[i]) for u, i in zip(table.users, table.items, strict=True)}


@pytest.mark.parametrize("odd", TABLES, ids=lambda odd: odd.name)
def test_an_odd_table_is_read_right_or_refused(tmp_path: Path, odd: OddFile) -> None:
    path = odd.write(tmp_path)
    if odd.error is None:
        assert read(path, **odd.options) == odd.expected
        return
    with pytest.raises(ValueError, match=rf"data.path: .*{odd.error}") as error:
        read(path, **odd.options)
    assert "\n" not in str(error.value)


def quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


@settings(max_examples=60)
@given(CATALOGUES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_ids_of_any_text_survive_every_file(
    ids: list[str], end: str, swapped: bool
) -> None:
    rows = [[user, item, "x"] for user, item in zip(ids, ids[::-1], strict=True)]
    names = ["user", "item", "else"]
    if swapped:
        rows, names = [row[::-1] for row in rows], names[::-1]
    plain = not any(word != word.strip("\t") or "\t" in word for word in ids)
    with TemporaryDirectory() as folder:
        csv, tsv, parquet = (
            Path(folder) / f"own.{e}" for e in ("csv", "tsv", "parquet")
        )
        lines = [names, *rows]
        csv.write_bytes(end.join(",".join(map(quoted, r)) for r in lines).encode())
        tsv.write_bytes(end.join("\t".join(r) for r in lines).encode())
        pl.DataFrame(rows, schema=names, orient="row").write_parquet(parquet)
        expected = set(zip(ids, ids[::-1], strict=True))
        for path in [csv, parquet, *([tsv] if plain else [])]:
            assert {(str(u), str(i)) for u, i in read(path)} == expected


def test_the_summary_names_ids_that_look_missing(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    rows = [f"{u},{i}" for u in ("NA", "\\N", "b") for i in ("null", "x", "NULL y")]
    path.write_text("\n".join(["user,item", *rows]))
    data = Interactions(str(path))
    data.setup()
    for one in ("user 'NA'", "user '\\N'", "item 'null'"):
        assert data.summary().count(f"the {one} is an id, as written") == 1
    assert data.summary().count("as written") == 3


def test_a_line_of_names_is_no_rating(tmp_path: Path) -> None:
    for variant, name, line in (
        ("100k", "u.data", "user_id\titem_id\trating\ttimestamp"),
        ("1m", "ratings.dat", "UserID::MovieID::Rating::Timestamp"),
    ):
        WRITERS[variant](tmp_path)
        path = tmp_path / name
        path.write_text(f"{line}\n{path.read_text()}")
        with pytest.raises(ValueError, match=rf"{name}.* of row 1 is not a whole num"):
            read_movielens(tmp_path, variant=variant)


def test_the_folder_that_the_archive_unpacks_to_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "ml-10M100K"
    folder.mkdir()
    WRITERS["10m"](folder)
    assert len(MovieLens(str(tmp_path), "10m").read_table()) == 5


@pytest.mark.parametrize("name", ["u.data", "u.item", "movies.dat", "ratings.dat"])
def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path: Path, name: str) -> None:
    variant = "100k" if name.startswith("u") else "1m"
    WRITERS[variant](tmp_path)
    before = read_movielens(tmp_path, variant=variant)
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().decode("latin-1").encode())
    after = read_movielens(tmp_path, variant=variant)
    assert after.fingerprints == before.fingerprints
    assert after.catalogue.item_names == before.catalogue.item_names
