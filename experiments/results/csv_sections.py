"""Sections of docs/results.md made of CSV files and of searches of settings."""

from collections.abc import Iterator
from dataclasses import dataclass

from experiments import records
from experiments.records import csv_rows, header_lines
from experiments.results.formats import markdown
from experiments.results.tables import PAGE
from experiments.tuning.recommendation import SEARCHES


@dataclass(frozen=True)
class CsvSection:
    """A section that shows one CSV file.

    Attributes:
        title: Its heading.
        command: The command that writes the file.
        note: Text above the table.
        folder: Where the file lies, below docs.
        figure: Whether a figure of that name belongs to it.
    """

    title: str
    command: str
    note: str
    folder: str = "results"
    figure: bool = False


SECTIONS = {name: CsvSection(**entry) for name, entry in PAGE["csv_tables"].items()}


def csv_section(name: str) -> Iterator[str]:
    """The paragraphs of a section."""
    section = SECTIONS[name]
    yield f"## {section.title}"
    path = records.RESULTS.parent / section.folder / f"{name}.csv"
    if not path.exists():
        yield f"Not run yet: `python -m {section.command}`."
        return
    text = path.read_text()
    rows = csv_rows(text)
    yield section.note
    yield markdown([list(rows[0]), *([_short(v) for v in r.values()] for r in rows)])
    yield " ".join(f"{line[:1].upper()}{line[1:]}." for line in header_lines(text))
    if section.figure:
        yield f"![{name}](figures/{name}.png)"


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def searches_section() -> Iterator[str]:
    """The rankings of the candidates for the rankers' settings."""
    yield "## Rankers: candidate settings on validation users"
    yield (
        "One seed, the best validation of each; test pairs were not looked at. The "
        "first part of a name is the experiment in `configs/`, the rest what was "
        "changed. Command: `python -m experiments.tuning <data>`."
    )
    for data, search in SEARCHES.items():
        ranked = search.ranking()
        if not ranked:
            yield f"{data}: not run yet."
            continue
        rows = [[r["candidate"], f"{r['score']:.4f}", str(r["step"])] for r in ranked]
        yield markdown([[data, ranked[0]["monitor"], "updates"], *rows])
        yield f"{len(rows)} of {len(search.candidates)} candidates finished."
