"""Records of finished runs in JSONL and CSV files.

A table has one JSONL file with one record a line. A finished run writes its record
below ``runs/``, whole or not at all, and then moves it into the table's file in
``docs/results``. To measure a run again, delete its line.
The first lines of a CSV file, each behind ``#``, say where its numbers come from.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.jobs import locked
from experiments.provenance import ROOT, commit, hardware
from lightning_modules.core.files import write_whole

RESULTS = ROOT / "docs" / "results"
RUNS = ROOT / "runs" / "results"
Record = dict[str, Any]


@dataclass(frozen=True)
class RecordFile:
    """The records of one table, sorted by what tells its runs apart.

    Several processes may add records at the same time; none is lost.

    Attributes:
        path: The file; it need not exist yet.
        unmerged: Directory of finished records that are not yet in the file.
        key: Fields that tell one run from another.
    """

    path: Path
    unmerged: Path
    key: tuple[str, ...]

    def name(self, record: Record) -> str:
        """The run of a record, as its log and its directory are called."""
        return "--".join(str(record[field]) for field in self.key)

    def read(self) -> list[Record]:
        """All records of the file, in its order."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines()
        return [json.loads(line) for line in lines if line]

    def add(self, record: Record) -> None:
        """Keep a record in the place of an older one of the same run."""
        write_whole(self.unmerged / f"{self.name(record)}.json", json.dumps(record))
        self.merge()

    def merge(self) -> None:
        """Move finished records into the file, also those of processes that died."""
        with locked(self.unmerged / "merge.lock"):
            parts = list(self.unmerged.glob("*.json"))
            new = [json.loads(part.read_text()) for part in parts]
            if new:
                write_whole(self.path, self._text([*self.read(), *new]))
            for part in parts:
                part.unlink()

    def _text(self, records: Iterable[Record]) -> str:
        latest = {tuple(record[f] for f in self.key): record for record in records}
        return "".join(f"{json.dumps(latest[key])}\n" for key in sorted(latest))


def record_file(name: str, *key: str) -> RecordFile:
    """The records in ``docs/results/<name>.jsonl``.

    >>> record_file("ring8", "method", "seed").name({"method": "gan", "seed": 3})
    'gan--3'
    """
    return RecordFile(RESULTS / f"{name}.jsonl", RUNS / name, key)


def csv_text(header: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> str:
    r"""A header and rows as CSV; a column is empty where a row lacks it.

    >>> csv_text({"commit": "abc"}, [{"n": 2, "rate": 0.1234567}, {"n": 3}])
    '# commit: abc\nn,rate\n2,0.123457\n3,\n'
    """
    text = io.StringIO()
    text.writelines(f"# {name}: {value}\n" for name, value in header.items())
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: _short(value) for name, value in row.items()})
    return text.getvalue()


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def measured_rows(
    path: Path,
    keys: Sequence[str],
    wanted: Iterable[tuple[Any, ...]],
    measure: Callable[..., dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Rows that a CSV file lacks, measured in turn; it is written after each.

    Args:
        path: The file; it need not exist yet.
        keys: Columns that tell one row from another.
        wanted: Their values, of each row that the file shall have.
        measure: Makes a row of these values.
    """
    rows: list[dict[str, Any]] = csv_rows(path.read_text()) if path.exists() else []
    done = {tuple(str(row[key]) for key in keys) for row in rows}
    for values in wanted:
        if tuple(map(str, values)) not in done:
            rows.append(row := measure(*values))
            head = {"commit": commit(), "hardware": hardware()}
            write_whole(path, csv_text(head, rows))
            yield row


def header_lines(text: str) -> list[str]:
    r"""The lines of the header.

    >>> header_lines("# commit: abc\nn\n2\n")
    ['commit: abc']
    """
    return [line[2:] for line in text.splitlines() if line.startswith("# ")]


def csv_rows(text: str) -> list[dict[str, str]]:
    r"""The rows, each value as it is written.

    >>> csv_rows("# commit: abc\nn,rate\n2,0.5\n")
    [{'n': '2', 'rate': '0.5'}]
    """
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return list(csv.DictReader(lines))
