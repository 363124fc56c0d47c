"""A small MovieLens in its three formats."""

from pathlib import Path
from typing import Any

from datamodules import MovieLens
from tests.support.pair_files import ready, written

RATED = [(1, 10, 5, 3), (1, 20, 2, 1), (1, 30, 4, 2), (1, 40, 3, 4), (2, 10, 1, 9)]
FILMS = [
    (10, "Misérables, Les (1995)", ("Drama", "War")),
    (20, "2001: A Space Odyssey", ("Sci-Fi",)),
    (30, "Nothing, Known of", ()),
    (40, "Heat", ("Action",)),
    (50, "Never rated", ("Western",)),
]
FLAG_PLACE = {"Action": 1, "Drama": 8, "Sci-Fi": 15, "War": 17, "Western": 18}


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


def read(root: Path, **options: Any) -> MovieLens:
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
