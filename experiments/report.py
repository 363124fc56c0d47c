"""docs/results.md, made from the cells and from published.yaml; nothing is typed."""

import csv
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from experiments.report_grid import grid, order, summary
from experiments.results.record import RESULTS, Cell, cells, last_picture, read
from experiments.results.spec import UNTRAINED, Column, Table
from experiments.results.tables import TABLES
from experiments.tuning.recommendation import ranking
from experiments.tuning.recommendation_candidates import SEARCHES
from lightning_modules.core.files import write_whole

PAGE = RESULTS.parent / "results.md"
FIGURES = RESULTS.parent / "figures"
MANY = 40  # cells that would make a paragraph nobody reads
HEADER = """# Results

Made by `python -m experiments.results page` from the cells in `docs/results/`; each
cell is one file with its command, commit, hardware, seconds and peak memory. `make
results-<table>` measures the cells that are missing. "Ours" is the mean ± standard
deviation over seeds at the last step, sampled from the averaged generator; "s.e." is
the standard error of that mean. The time is that of training alone, per cell.
"""


def write_page() -> None:
    """Rebuild the page, with pictures of this machine's runs where there are any."""
    for _, cell, picture in _seed_0():
        drawn = last_picture(cell)
        if drawn is not None:
            write_whole(picture, drawn.read_bytes())
    write_whole(PAGE, page_text())


def page_text() -> str:
    """The page, from the cells and pictures that lie in docs."""
    published = yaml.safe_load((RESULTS / "published.yaml").read_text())
    parts = [HEADER]
    for name, table in TABLES.items():
        parts += [f"## {table.title}", *_section(name, table, published.get(name, []))]
        parts += [
            f"{label}, seed 0: ![samples](figures/{picture.name})"
            for label, cell, picture in _seed_0()
            if cell.table == name and picture.exists()
        ]
    parts += ["## WDGRL: features once for all critic steps", *_wdgrl_speed()]
    parts += ["## Rankers: what was tried on validation users", *_searches()]
    parts += ["## Pairs from a file", *_interactions_speed()]
    parts += ["## Rankers: training and evaluation", *_ranking_speed()]
    parts += ["## Indices of neighbours", *_index_speed()]
    parts += ["## Three neighbours under a learnt metric", *_neighbours()]
    parts += ["## Two Gaussians: what the critics estimate", *_two_gaussians()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _seed_0() -> Iterator[tuple[str, Cell, Path]]:
    """Finished cells of seed 0, each with its label and where its picture goes."""
    for name, table in TABLES.items():
        for cell in cells(name):
            if cell.seed == 0 and cell.path.exists():
                several = len(_tasks(name, table)) > 1
                words = [cell.method, cell.task] if several else [cell.method]
                picture = FIGURES / f"{'-'.join([name, *words])}.png"
                yield " ".join(words), cell, picture


def _tasks(name: str, table: Table) -> Sequence[str]:
    return table.tasks or (name,)


def _two_gaussians() -> Iterator[str]:
    """The study that `experiments/studies/two_gaussians.py` writes."""
    yield from _study(
        "two_gaussians",
        "Critics trained against a frozen generator: two Gaussians in the plane, "
        "shifted by t, so that W1 = t. theory.md derives the closed form of the "
        "penalised optimum; `lipschitz` is the largest slope that was measured.",
    )
    if (RESULTS / "two_gaussians.csv").exists():
        yield "![estimates](figures/two_gaussians.png)"


def _wdgrl_speed() -> Iterator[str]:
    """The comparison that `benchmarks/wdgrl_speed.py` writes."""
    yield from _study(
        "wdgrl_speed",
        "Player updates per second, each with 5 critic updates, batch 32 + 32, on rows "
        "as wide (5,000) and as full (70) as the Amazon reviews, one core. The usual "
        "way computes the features of a batch anew in every critic update. Both in the "
        "same Trainer with the same optimizer, in turn; medians.",
    )


def _searches() -> Iterator[str]:
    """What `experiments/tuning/recommendation.py` found."""
    yield (
        "One seed, the best validation of each; test pairs were not looked at. The "
        "first part of a name is the experiment in `configs/`, the rest what was "
        "changed. Command: `python -m experiments.tuning.recommendation <data>`."
    )
    for data in SEARCHES:
        rows = ranking(data)
        if not rows:
            yield f"{data}: not measured yet."
            continue
        shown = ([r["candidate"], f"{r['score']:.4f}", str(r["step"])] for r in rows)
        yield _markdown([[data, rows[0]["monitor"], "updates"], *shown])
        yield f"{len(rows)} of {len(SEARCHES[data])} candidates measured."


def _interactions_speed() -> Iterator[str]:
    """What `benchmarks/interactions_speed.py` writes."""
    yield from _study(
        "interactions_speed",
        "Rows of a CSV read, deduplicated, split and ready for the first training "
        "batch; two threads. Memory is the peak above what imports take.",
    )


def _ranking_speed() -> Iterator[str]:
    """The comparisons that `benchmarks/ranking_speed.py` writes."""
    yield from _study(
        "ranking_speed",
        "Per second, in turn and one thread. Training: pairs of CML (d = 64, U = 20, "
        "batches of 4,096; 10^6 items, 10^5 users) with sparse gradients and row-wise "
        "Adagrad, beside the same model with dense gradients and torch's Adagrad. "
        "Evaluation: users whose 3,706 items are ranked and measured at 10, beside "
        "torchmetrics' six retrieval metrics and implicit's ranking_metrics_at_k.",
    )


def _index_speed() -> Iterator[str]:
    """What `benchmarks/index_speed.py` writes."""
    yield from _study(
        "index_speed",
        "Indices of nearest neighbours that `ExportTables` writes (faiss): ten nearest "
        "of 1,000 queries among points in 64 dimensions, in 10,000 clusters that run "
        "into one another; one thread. Recall is against the flat index.",
    )


def _neighbours() -> Iterator[str]:
    """The comparison that `experiments/studies/learned_metrics.py` writes."""
    yield from _study(
        "neighbours",
        "Accuracy of 3 nearest neighbours on test rows, %, under the Euclidean metric "
        "and under metrics learnt from the training rows; means over random splits of "
        "the rows, the gain over Euclidean with its standard error, and on how many "
        "splits the metric made it worse. `lmnn` is eq. 50, `triplet` eq. 48, "
        "`improved_triplet` eq. 49, `contrastive` eq. 47, all with a linear map; `nca` "
        "is scikit-learn's NeighborhoodComponentsAnalysis. Only `lmnn` was tuned.",
    )


def _study(name: str, note: str) -> Iterator[str]:
    """The table in docs/results/<name>.csv, which scripts/<name>.py writes."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        yield f"Not measured yet: `python scripts/{name}.py`."
        return
    lines = path.read_text().splitlines()
    yield note
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    headings = list(rows[0])
    yield _markdown([headings, *([_short(r[h]) for h in headings] for r in rows)])
    made = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    yield " ".join(f"{line[:1].upper()}{line[1:]}." for line in made)


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _section(
    name: str, table: Table, published: Sequence[dict[str, Any]]
) -> Iterator[str]:
    found, tasks = read(name), _tasks(name, table)
    yield table.note
    if table.grid:
        yield _markdown(grid(table, found, published))
        yield _markdown(summary(table, found))
        if ranking := order(table, found):
            yield f"{ranking}."
    else:
        yield _markdown(_rows(table, tasks, found, published))
    wanted = {cell.name for cell in cells(name)}
    missing = wanted - {f"{c['method']}--{c['task']}--{c['seed']}" for c in found}
    measured = f"{len(wanted) - len(missing)} of {len(wanted)} cells measured"
    yield f"{measured}. Command: `make results-{name}`."
    if found:
        configs = dict.fromkeys(
            f"`configs/{table.experiment(method, task)}.yaml`"
            for task in tasks
            for method in table.methods
            if method not in UNTRAINED and table.seeds_of(method, task)
        )
        yield f"Configs: {', '.join(configs)}."
        yield "Commit: " + ", ".join(sorted({c["commit"] for c in found})) + "."
        yield "Hardware: " + "; ".join(sorted({c["hardware"] for c in found})) + "."
        yield "Metrics of every seed: " + (
            f"[the cells](results/{name})."
            if len(found) > MANY
            else _each_seed(found, table.columns, tasks)
        )
    if published:
        yield "Published rows: " + "; ".join(_sources(published)) + "."


def _rows(
    table: Table,
    tasks: Sequence[str],
    found: Sequence[dict[str, Any]],
    published: Sequence[dict[str, Any]],
) -> Iterator[list[str]]:
    """Headings, published rows, then a row of ours for every task and method."""
    several = len(tasks) > 1
    metrics = [column.heading for column in table.columns]
    task_heading = ["task"] if several else []
    yield ["method", *task_heading, *metrics, "seeds", "time", "memory"]
    for row in published:
        shown = _quoted(row, table.columns)
        whose = [row.get("task", "-")] if several else []
        yield [f"*{row['name']}* (published)", *whose, *shown]
    for task in tasks:
        for method in table.methods:
            if not table.seeds_of(method, task):
                continue
            mine = [c for c in found if (c["method"], c["task"]) == (method, task)]
            shown = _measured(mine, table.columns)
            yield [method, *([task] if several else []), *shown]


def _markdown(rows: Iterable[Sequence[str]]) -> str:
    headings, *others = rows
    lines = [headings, ["---"] * len(headings), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _source(row: dict[str, Any]) -> str:
    return f"{row['source']}{', quoted from memory' if row['recalled'] else ''}"


def _sources(published: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each source once, with the rows that come from it."""
    rows: dict[str, list[str]] = {}
    for row in published:
        rows.setdefault(_source(row), []).append(f"*{row['name']}*")
    return (f"{', '.join(names)}: {source}" for source, names in rows.items())


def _each_seed(
    found: Sequence[dict[str, Any]], columns: Sequence[Column], tasks: Sequence[str]
) -> str:
    parts = []
    for cell in found:
        values = "/".join(
            c.show(cell["metrics"][c.key]) for c in columns if c.key in cell["metrics"]
        )
        task = f" {cell['task']}" if len(tasks) > 1 else ""
        parts.append(f"{cell['method']}{task} {cell['seed']}: {values}")
    return "; ".join(parts) + "."


def _quoted(row: dict[str, Any], columns: Sequence[Column]) -> list[str]:
    shown = [str(row["metrics"].get(column.key, "-")) for column in columns]
    return [*shown, "-", "-", "-"]


def _measured(found: Sequence[dict[str, Any]], columns: Sequence[Column]) -> list[str]:
    if not found:
        return [*["not measured yet"] * len(columns), "0", "-", "-"]
    seconds = statistics.mean(cell["seconds"] for cell in found)
    memory = max(cell["peak_memory_bytes"] for cell in found) / 2**30
    shown = [
        _spread([c["metrics"][one.key] for c in found if one.key in c["metrics"]], one)
        for one in columns
    ]
    time = f"{seconds:.0f} s" if seconds else "-"
    return [*shown, str(len(found)), time, f"{memory:.1f} GiB"]


def _spread(values: Sequence[float], column: Column) -> str:
    if not values:
        return "-"
    mean = column.show(statistics.mean(values))
    if len(values) < 2:
        return mean
    deviation = statistics.stdev(values)
    error = column.show(deviation / len(values) ** 0.5)
    return f"{mean} ± {column.show(deviation)} (s.e. {error})"
