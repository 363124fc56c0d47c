"""CSV files whose first lines, each behind ``#``, say where the numbers come from."""

import csv
import io
from collections.abc import Mapping, Sequence


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
