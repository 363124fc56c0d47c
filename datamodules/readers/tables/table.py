"""Tables of the user's own in CSV, TSV or Parquet, read lazily, column by column."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PARQUET = (".parquet", ".pq")
ENDINGS = ", ".join((*SEPARATORS, *PARQUET))


@dataclass(frozen=True)
class Table:
    """A file of rows and named columns.

    Text has the names of its columns in the first line, unless ``header`` gives them,
    and is UTF-8. What a column of text holds is guessed from the first thousand rows;
    where a later row disagrees, from all rows.

    Args:
        path: The file; its ending says what it is.
        key: Of the command line that named it, for sentences.
        separator: Between two columns of text; None goes by the ending.
        header: Names of the columns of a text file that has no line for them.
    """

    path: Path
    key: str
    separator: str | None = None
    header: Sequence[str] = ()

    @property
    def named(self) -> str:
        """What a sentence begins with."""
        return f"data.{self.key}: {self.path}"

    def find(self) -> None:
        """Checks that the file is there and of a kind that can be read.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: Its ending is unknown.
        """
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.named} does not exist; name a file.")
        is_readable = self._is_parquet or self.separator or self._ending in SEPARATORS
        if not is_readable:
            raise ValueError(
                f"{self.named} has an unknown ending; it can be one of {ENDINGS}."
            )

    def columns(self) -> list[str]:
        """Names of the columns, in their order."""
        try:
            return self._scan().collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._fault(error) from None

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """The named columns; the others are not held in memory.

        Raises:
            ValueError: A column is missing, the file is empty, cut off, not UTF-8 or no
                table, or it has no row.
        """
        self.check_columns(columns)
        frame = self._collect(columns)
        if not len(frame):
            raise ValueError(f"{self.named} has no row; add some, or name another.")
        return frame

    def check_columns(self, columns: Sequence[str]) -> None:
        """Refuses a name that no column has."""
        existing = self.columns()
        for name in columns:
            if name not in existing:
                near = difflib.get_close_matches(name, existing, 1, 0.5) or existing[:1]
                raise ValueError(
                    f"{self.named} has no column '{name}', but {', '.join(existing)}; "
                    f"did you mean '{near[0]}'? {self._remedy(existing)}"
                )
        if len(set(columns)) < len(columns):
            raise ValueError(
                f"{self.named}: the columns {', '.join(columns)} are not all "
                "different; name one for each purpose."
            )

    def _remedy(self, existing: Sequence[str]) -> str:
        if len(existing) == 1 and not self._is_parquet:
            return (
                "If the file uses another delimiter than "
                f"{(self.separator or SEPARATORS[self._ending])!r}, convert it."
            )
        keys = "data.user_column, data.item_column and so on"
        if self.key == "features":
            keys = "data.item_column, data.name_column and data.feature_columns"
        return f"Set {keys} to the names in the file."

    def _collect(self, columns: Sequence[str]) -> pl.DataFrame:
        try:
            return self._scan().select(columns).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            if self._is_parquet or "utf-8" in str(error):
                raise self._fault(error) from None
        try:
            return self._scan(rows=None).select(columns).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._fault(error) from None

    def _scan(self, rows: int | None = 1000) -> pl.LazyFrame:
        if self._is_parquet:
            return pl.scan_parquet(self.path, glob=False)
        return pl.scan_csv(
            self.path,
            separator=self.separator or SEPARATORS[self._ending],
            has_header=not self.header,
            new_columns=list(self.header) or None,
            quote_char='"' if self.separator is None else None,
            infer_schema_length=rows,
            glob=False,
        )

    def _fault(self, error: Exception) -> ValueError:
        """What is wrong with the file, and what to do."""
        if isinstance(error, pl.exceptions.NoDataError) or not self.path.stat().st_size:
            return ValueError(f"{self.named} is empty; name another file.")
        if "utf-8" in str(error):
            return ValueError(f"{self.named} is not UTF-8 text; save it as UTF-8.")
        kind = "Parquet file" if self._is_parquet else "text table"
        reason = str(error).splitlines()[0].rstrip(".")
        return ValueError(f"{self.named} is not a valid {kind} ({reason}); replace it.")

    @property
    def _ending(self) -> str:
        return self.path.suffix.lower()

    @property
    def _is_parquet(self) -> bool:
        return self._ending in PARQUET and self.separator is None
