"""Tables of the user's own in CSV, TSV or Parquet, read lazily, column by column."""

import csv
import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lightning_modules.core.files import readable
from lightning_modules.core.limits import check_size

SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PARQUET = (".parquet", ".pq")
ENDINGS = ", ".join((*SEPARATORS, *PARQUET))
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
HEAD = 2**16  # bytes that tell what kind of text a file is
Types = dict[str, type[pl.String]]


@dataclass(frozen=True)
class Table:
    """A file of rows and named columns.

    Text has the names of its columns in the first line, unless ``header`` gives them,
    and is UTF-8. What a column of text holds is guessed from the first thousand rows;
    where a later row disagrees, from all rows. Ids are not guessed: see `read`.

    Args:
        path: The file; its ending says what it is.
        key: Of the command line that named it, for sentences.
        separator: Between two columns of text; None goes by the ending.
        header: Names of the columns of a text file that has no line for them.
        quoted: Whether fields of text may stand in double quotes; None takes them so in
            CSV, and as part of the text elsewhere.
        whole_ids: Whether its format says that ids are whole numbers.
    """

    path: Path
    key: str
    separator: str | None = None
    header: Sequence[str] = ()
    quoted: bool | None = None
    whole_ids: bool = False

    @property
    def named(self) -> str:
        """What a sentence begins with."""
        return f"data.{self.key}: {self.path}"

    def find(self) -> None:
        """Checks that the file is there and of a kind that can be read.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: Its ending is unknown, or its name not UTF-8.
        """
        if self.path.is_dir():
            raise FileNotFoundError(f"{self.named} is a folder; name one file.")
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.named} does not exist; name a file.")
        if readable(self.path) != str(self.path):
            raise ValueError(
                f"data.{self.key}: the name {readable(self.path)} is not UTF-8; rename "
                "the file, or name a link to it."
            )
        is_readable = self.is_parquet or self.separator or self._ending in SEPARATORS
        if not is_readable:
            raise ValueError(
                f"{self.named} has an unknown ending; it can be one of {ENDINGS}."
            )

    def columns(self) -> list[str]:
        """Names of the columns, in their order."""
        if not self.is_parquet:
            self._check_text()
        try:
            return self._scan().collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._fault(error) from None

    def read(self, columns: Sequence[str], ids: Sequence[str] = ()) -> pl.DataFrame:
        """The named columns; the others are not held in memory.

        Args:
            columns: Their names.
            ids: Those of them that a file of text gives as it is written: ``01`` and
                ``1`` are two.

        Raises:
            ValueError: A column is missing, the file is empty, cut off, not UTF-8 or no
                table, or it has no row.
        """
        self.check_columns(columns)
        frame = self._collect(columns, dict.fromkeys(ids, pl.String))
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
        if len(existing) == 1 and not self.is_parquet:
            return (
                "If the file uses another delimiter than "
                f"{self._delimiter!r}, convert it."
            )
        keys = "data.user_column, data.item_column and so on"
        if self.key == "features":
            keys = "data.item_column, data.name_column and data.feature_columns"
        return f"Set {keys} to the names in the file."

    def _check_size(self, columns: Sequence[str]) -> None:
        """Refuses a Parquet file that holds a few values very often."""
        scan = self._scan()
        kinds, n = scan.collect_schema(), scan.select(pl.len()).collect().item()
        widths = [_width(kinds[name]) for name in columns]
        check_size(n * sum(widths), self.path, f"{self.named}: its {n:,} rows")

    def _collect(self, columns: Sequence[str], types: Types) -> pl.DataFrame:
        try:
            if self.is_parquet:
                self._check_size(columns)
            return self._scan(types).select(columns).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            if self.is_parquet or "utf-8" in str(error):
                raise self._fault(error) from None
        try:
            return self._scan(types, rows=None).select(columns).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._fault(error) from None

    def _scan(
        self, types: Types | None = None, rows: int | None = 1000
    ) -> pl.LazyFrame:
        if self.is_parquet:
            return pl.scan_parquet(self.path, glob=False)
        return pl.scan_csv(
            self.path,
            separator=self._delimiter,
            has_header=not self.header,
            new_columns=list(self.header) or None,
            quote_char='"' if self._is_quoted else None,
            schema_overrides=types,
            infer_schema_length=rows,
            glob=False,
        )

    def _fault(self, error: Exception) -> ValueError:
        """What is wrong with the file, and what to do."""
        if isinstance(error, pl.exceptions.NoDataError) or not self.path.stat().st_size:
            return ValueError(f"{self.named} is empty; name another file.")
        if "utf-8" in str(error):
            return ValueError(f"{self.named} is not UTF-8 text; save it as UTF-8.")
        if line := self._unbalanced_line():
            return ValueError(
                f"{self.named} has an unbalanced quote in line {line}; close "
                "it, or double it within a quoted field, or set data.quoted to false "
                "if quotes are part of the text."
            )
        kind = "Parquet file" if self.is_parquet else "text table"
        reason = str(error).splitlines()[0].rstrip(".")
        return ValueError(f"{self.named} is not a valid {kind} ({reason}); replace it.")

    def _check_text(self) -> None:
        """Refuses a file that would be read as another text than it holds."""
        with self.path.open("rb") as file:
            head = file.read(HEAD)
        packed = next(
            (kind for start, kind in PACKED.items() if head.startswith(start)), None
        )
        if packed:
            raise ValueError(f"{self.named} is packed ({packed}); unpack it.")
        if head.startswith(UTF_16):
            raise ValueError(f"{self.named} is UTF-16 text; save it as UTF-8.")
        if b"\r" in head and b"\n" not in head:
            raise ValueError(
                f"{self.named} ends its lines with carriage returns alone; save it "
                "with line feeds."
            )
        names = [] if self.header else self._written_names(head)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(
                f"{self.named} has two columns named '{twice}'; rename one of them."
            )

    def _written_names(self, head: bytes) -> list[str]:
        """Names of the columns as the first line has them."""
        text = head.decode("utf-8-sig", errors="replace").lstrip("\r\n")
        rows = csv.reader(text.splitlines(), delimiter=self._delimiter)
        if self._is_quoted:
            return next(rows, [])
        return text.splitlines()[0].split(self._delimiter) if text else []

    def _unbalanced_line(self) -> int | None:
        """The first line with a quotation mark that nothing closes, from 1."""
        if self.is_parquet or not self._is_quoted:
            return None
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=self._delimiter, strict=True)
            start = 0
            try:
                for _ in lines:
                    start = lines.line_num
            except csv.Error:
                return start + 1
        with self.path.open(encoding="utf-8") as file:
            odd = (n for n, line in enumerate(file, 1) if line.count('"') % 2)
            return next(odd, None)

    @property
    def _is_quoted(self) -> bool:
        in_csv = self.separator is None and self._ending == ".csv"
        return in_csv if self.quoted is None else self.quoted

    @property
    def _delimiter(self) -> str:
        return self.separator or SEPARATORS[self._ending]

    @property
    def _ending(self) -> str:
        return self.path.suffix.lower()

    @property
    def is_parquet(self) -> bool:
        """Whether its columns have types."""
        return self._ending in PARQUET and self.separator is None


def _width(kind: pl.DataType) -> int:
    """Bytes of an entry of a column, at least."""
    return 8 * math.prod(kind.shape) if isinstance(kind, pl.Array) else 8
