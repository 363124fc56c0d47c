"""docs/results.md, made from the cells and from published.yaml; nothing is typed."""

import csv
import shutil
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from scripts.cells import RESULTS, TABLES, Column, Table, cells, last_picture, read

PAGE = RESULTS.parent / "results.md"
FIGURES = RESULTS.parent / "figures"
HEADER = """# Results

Made by `python scripts/results.py page` from the cells in `docs/results/`; each cell is
one file with its command, commit, hardware, seconds and peak memory. `make
results-<table>` measures the cells that are missing. "Ours" is the mean ± standard
deviation over seeds at the last step, sampled from the averaged generator; "s.e." is
the standard error of that mean. The time is that of training alone, per cell.
"""


def write_page() -> None:
    """Rebuild the page, whole or not at all."""
    published = yaml.safe_load((RESULTS / "published.yaml").read_text())
    parts = [HEADER]
    for name, table in TABLES.items():
        parts += [f"## {table.title}", *_section(name, table, published.get(name, []))]
        parts += _pictures(name)
    parts += ["## Two Gaussians: what the critics estimate", *_two_gaussians()]
    partial = PAGE.with_name(f".{PAGE.name}")
    partial.write_text("\n\n".join(part.strip("\n") for part in parts) + "\n")
    partial.replace(PAGE)


def _pictures(table: str) -> Iterator[str]:
    """Samples of seed 0, copied from this machine's runs where there are any."""
    for cell in cells(table):
        kept = FIGURES / f"{table}-{cell.method}.png"
        if cell.seed == 0 and cell.path.exists():
            drawn = last_picture(cell)
            if drawn is not None:
                FIGURES.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(drawn, kept)
            if kept.exists():
                yield f"{cell.method}, seed 0: ![samples](figures/{kept.name})"


def _two_gaussians() -> Iterator[str]:
    """The study that `scripts/two_gaussians.py` writes."""
    path = RESULTS / "two_gaussians.csv"
    if not path.exists():
        yield "Not measured yet: `python scripts/two_gaussians.py`."
        return
    lines = path.read_text().splitlines()
    yield (
        "Critics trained against a frozen generator: two Gaussians in the plane, "
        "shifted by t, so that W1 = t. theory.md derives the closed form of the "
        "penalised optimum; `lipschitz` is the largest slope that was measured."
    )
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    headings = list(rows[0])
    table = [headings, ["---"] * len(headings)]
    table += [[_short(row[name]) for name in headings] for row in rows]
    yield "\n".join(f"| {' | '.join(row)} |" for row in table)
    yield " ".join(line.removeprefix("# ").capitalize() + "." for line in lines[:2])
    yield "![estimates](figures/two_gaussians.png)"


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _section(
    name: str, table: Table, published: Sequence[dict[str, Any]]
) -> Iterator[str]:
    found = read(name)
    yield table.note
    headings = [
        "method",
        *(c.heading for c in table.columns),
        "seeds",
        "time",
        "memory",
    ]
    rows = [headings, ["---"] * len(headings)]
    rows += [_published_row(row, table.columns) for row in published]
    for method in table.methods:
        mine = [cell for cell in found if cell["method"] == method]
        rows.append(_our_row(method, mine, table.columns))
    yield "\n".join(f"| {' | '.join(row)} |" for row in rows)
    expected = len(list(cells(name)))
    yield f"{len(found)} of {expected} cells measured. Command: `make results-{name}`."
    if found:
        configs = [m for m in table.methods if m != "real_data"]
        task = found[0]["task"]
        yield (
            "Configs: " + ", ".join(f"`configs/{m}/{task}.yaml`" for m in configs) + "."
        )
        yield "Commit: " + ", ".join(sorted({c["commit"] for c in found})) + "."
        yield "Hardware: " + "; ".join(sorted({c["hardware"] for c in found})) + "."
        yield "Metrics of every seed: " + _each_seed(found, table.columns)
    sources = (f"*{row['name']}*: {_source(row)}" for row in published)
    if published:
        yield "Published rows: " + "; ".join(sources) + "."


def _source(row: dict[str, Any]) -> str:
    return f"{row['source']}{', quoted from memory' if row['recalled'] else ''}"


def _each_seed(found: Sequence[dict[str, Any]], columns: Sequence[Column]) -> str:
    parts = []
    for cell in found:
        values = "/".join(
            c.form.format(c.factor * cell["metrics"][c.key]) for c in columns
        )
        parts.append(f"{cell['method']} {cell['seed']}: {values}")
    return "; ".join(parts) + "."


def _published_row(row: dict[str, Any], columns: Sequence[Column]) -> list[str]:
    metrics = row["metrics"]
    shown = [str(metrics.get(column.key, "-")) for column in columns]
    return [f"*{row['name']}* (published)", *shown, "-", "-", "-"]


def _our_row(
    method: str, found: Sequence[dict[str, Any]], columns: Sequence[Column]
) -> list[str]:
    if not found:
        return [method, *["not measured yet"] * len(columns), "0", "-", "-"]
    seconds = statistics.mean(cell["seconds"] for cell in found)
    memory = max(cell["peak_memory_bytes"] for cell in found) / 2**30
    shown = [_spread([c["metrics"][col.key] for c in found], col) for col in columns]
    time = f"{seconds:.0f} s" if seconds else "-"
    return [method, *shown, str(len(found)), time, f"{memory:.1f} GiB"]


def _spread(values: Sequence[float], column: Column) -> str:
    def show(value: float) -> str:
        return column.form.format(column.factor * value)

    if len(values) < 2:
        return show(values[0])
    deviation = statistics.stdev(values)
    error = deviation / len(values) ** 0.5
    return f"{show(statistics.mean(values))} ± {show(deviation)} (s.e. {show(error)})"
