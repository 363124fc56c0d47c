"""docs/performance.md, made from the benchmarks' records; nothing is typed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from benchmarks.comparison import Row
from benchmarks.lazy import quality
from experiments import records
from experiments.records import Record, RecordFile
from experiments.results.formats import markdown
from lightning_modules.core.files import write_whole

HEADER = """# Performance

Made by `make bench` (`python -m benchmarks`), which times the variants of a case in
turn, one thread, and keeps each benchmark in `docs/performance/`. Times are
medians over the rounds, a first round not counted; a ratio is that of two wall times
of one round, its median with the quartiles in brackets. Memory is what was held at
the highest point above what was held before. The networks are named in `benchmarks/`.
"""
SECTIONS: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("sections.yaml").read_text()
)


def benchmark_file() -> RecordFile:
    """The records of the benchmarks, in ``docs/performance/benchmarks.jsonl``."""
    path = records.RESULTS.parent / "performance" / "benchmarks.jsonl"
    return RecordFile(path, records.RUNS / "performance", ("name",))


def write_page() -> None:
    """Rebuild the page from the records."""
    write_whole(records.RESULTS.parent / "performance.md", page_text())


def page_text() -> str:
    """The page, of the benchmarks that are finished."""
    finished = {record["name"]: record for record in benchmark_file().read()}
    parts = [HEADER]
    for name, section in SECTIONS.items():
        parts += [f"## {section['title']}", section["note"]]
        if commands := section.get("commands"):
            parts.append(f"```bash\n{commands}\n```")
        parts += _timed(finished[name]) if name in finished else ["Not run yet."]
        if name == "lazy" and (rows := quality()):
            parts.append(
                "What the generators of `configs/wgan_gp/grid25.yaml` have learnt; the "
                "records are those of docs/results.md."
            )
            parts.append(table(rows))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _timed(record: Record) -> Iterator[str]:
    yield table(record["rows"])
    yield (
        f"Command: `{record['command']}`; commit {record['commit']}; "
        f"{record['hardware']}."
    )


def table(rows: Sequence[Row]) -> str:
    """A table of Markdown, its columns those of any row in their order.

    >>> print(table([{"variant": "a", "time": "1 s"}, {"variant": "b"}]))
    | variant | time |
    |---|---|
    | a | 1 s |
    | b |  |
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    return markdown([names, *([str(row.get(n, "")) for n in names] for row in rows)])
