"""Small files of pairs, also of CiteULike and MovieLens, and what is made of them."""

from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from datamodules import CiteULike, Interactions, MovieLens
from datamodules.readers.tables.pair_table import PairTable
from datamodules.recommendation.base import InteractionData

PARTS = ("train", "val", "test")
FEW = ("u,i,r,t", "9,a,5,1", "9,b,4,2", "9,c,1,3", "9,d,5,4", "7,a,5,9", "9,b,2,0")
COLUMNS = {"user_column": "u", "item_column": "i"}
TIMED = COLUMNS | {"time_column": "t"}
TABLES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5)), min_size=1
)
USERS = ("2 0 1", "6 0 1 2 3 4 5", "0", "5 5 4 3 2 1")
RATED = [(1, 10, 5, 3), (1, 20, 2, 1), (1, 30, 4, 2), (1, 40, 3, 4), (2, 10, 1, 9)]
FILMS = [
    (10, "Misérables, Les (1995)", ("Drama", "War")),
    (20, "2001: A Space Odyssey", ("Sci-Fi",)),
    (30, "Nothing, Known of", ()),
    (40, "Heat", ("Action",)),
    (50, "Never rated", ("Western",)),
]
FLAG_PLACE = {"Action": 1, "Drama": 8, "Sci-Fi": 15, "War": 17, "Western": 18}


def table_of(rows: list[tuple[int, int, int]]) -> PairTable:
    columns = (pl.Series(column, dtype=pl.Int64) for column in zip(*rows, strict=True))
    return PairTable.of(*columns)


def written(path: Path, *lines: str) -> str:
    """A text file of these lines."""
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def ready(data: InteractionData) -> InteractionData:
    data.prepare_data()
    data.setup()
    return data


def interactions(path: Path | str, **options: Any) -> Interactions:
    data = ready(Interactions(str(path), **options))
    assert isinstance(data, Interactions)
    return data


def pairs(data: InteractionData, *parts: str) -> set[tuple[Any, Any]]:
    """Pairs of some parts by their ids."""
    users, items = data.catalogue.user_ids, data.catalogue.item_ids
    assert users is not None
    assert items is not None
    held = [data.interactions(part) for part in parts or PARTS]
    return {
        (user, item)
        for part in held
        for user, item in zip(
            users[part.users.numpy()], items[part.items.numpy()], strict=True
        )
    }


def of_user(data: InteractionData, user: Any) -> list[set[Any]]:
    """Items of a user in the three parts."""
    return [{i for u, i in pairs(data, part) if u == user} for part in PARTS]


def write_citeulike(path: Path, **files: tuple[str, ...]) -> CiteULike:
    """Files whose names have a point where keys have a line."""
    for name, lines in ({"users_dat": USERS} | files).items():
        written(path / name.replace("__", "-").replace("_", "."), *lines)
    return CiteULike(str(path))


def read_citeulike(path: Path, **options: Any) -> CiteULike:
    data = ready(CiteULike(str(path), **options))
    assert isinstance(data, CiteULike)
    return data


def flags(genres: tuple[str, ...]) -> str:
    held = {FLAG_PLACE[genre] for genre in genres} or {0}
    return "|".join(str(int(place in held)) for place in range(19))


def write_100k(root: Path) -> None:
    written(root / "u.data", *("\t".join(map(str, row)) for row in RATED))
    lines = [f"{n}|{t}|01-Jan-1995||url|{flags(g)}" for n, t, g in FILMS]
    (root / "u.item").write_bytes("\n".join(lines).encode("latin-1"))


def write_1m(root: Path) -> None:
    written(root / "ratings.dat", *("::".join(map(str, row)) for row in RATED))
    lines = [f"{n}::{t}::{'|'.join(g) or 'unknown'}" for n, t, g in FILMS]
    (root / "movies.dat").write_bytes("\n".join(lines).encode("latin-1"))


def read_movielens(root: Path, **options: Any) -> MovieLens:
    data = ready(MovieLens(str(root), **options))
    assert isinstance(data, MovieLens)
    return data


def write_csv(root: Path) -> None:
    head = "userId,movieId,rating,timestamp"
    written(root / "ratings.csv", head, *(",".join(map(str, row)) for row in RATED))
    none = "(no genres listed)"
    lines = [f'{n},"{t}",{"|".join(g) or none}' for n, t, g in FILMS]
    written(root / "movies.csv", "movieId,title,genres", *lines)


WRITERS = {"100k": write_100k, "1m": write_1m, "10m": write_1m, "25m": write_csv}
