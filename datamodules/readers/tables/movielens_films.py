"""Titles and genres of movies, in the three file formats of MovieLens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from typing_extensions import override

from datamodules.readers.tables.table import Table

GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""Flags of u.item, in their order."""
NUMBER = re.compile(r"[0-9]{1,18}")
UNKNOWN = ("unknown", "(no genres listed)")


@dataclass(frozen=True)
class FilmTable(Table):
    """A row for each movie: ``movieId``, ``title`` and ``genres`` with ``|`` between.

    Reads u.item, movies.dat and movies.csv, in UTF-8, or else in Latin-1 as u.item is.
    """

    @override
    def columns(self) -> list[str]:
        return ["movieId", "title", "genres"]

    @override
    def read(self, columns: Sequence[str], ids: Sequence[str] = ()) -> pl.DataFrame:
        """Movies; no genre is null."""
        is_csv = self.path.suffix == ".csv"
        frame = super().read(columns, ids) if is_csv else self._from_lines()
        if "genres" in columns:
            known = ~pl.col("genres").is_in(UNKNOWN)
            frame = frame.with_columns(pl.when(known).then("genres"))
        return frame.select(columns)

    def _from_lines(self) -> pl.DataFrame:
        lines = enumerate(_decoded(self.path.read_bytes()).splitlines(), start=1)
        films = [self._film(number, line) for number, line in lines if line.strip()]
        if not films:
            raise ValueError(f"{self.named} is empty; replace it.")
        return pl.DataFrame(films, schema=self.columns(), orient="row")

    def _film(self, number: int, line: str) -> tuple[int, str, str]:
        flags = self.path.suffix != ".dat"
        fields = line.split("|" if flags else "::")
        n_fields = 5 + len(GENRES) if flags else 3
        if len(fields) != n_fields or not NUMBER.fullmatch(fields[0]):
            raise ValueError(
                f"{self.named}: line {number} is not a valid movie record "
                f"({line[:40]!r}); replace the file."
            )
        if not flags:
            return int(fields[0]), fields[1], fields[2]
        genres = (g for g, flag in zip(GENRES, fields[5:], strict=True) if flag == "1")
        return int(fields[0]), fields[1], "|".join(genres)


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return text.decode("latin-1")
