"""docs/results.md, made from the records and from published.yaml; nothing is typed."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from experiments import records
from experiments.records import Record
from experiments.results import formats
from experiments.results.csv_sections import SECTIONS, csv_section, searches_section
from experiments.results.differences import differences
from experiments.results.formats import cost, each_seed, markdown, mean_and_spread
from experiments.results.runs import (
    Run,
    finished_runs,
    last_sample_grid,
    planned_runs,
    read_records,
    run_of,
)
from experiments.results.tables import TABLES, UNTRAINED, Column, Table
from experiments.results.user_values import table_of_users
from lightning_modules.core.files import write_whole

MANY = 40  # runs that would make a paragraph nobody reads
HEADER = """# Results

Made by `python -m experiments.results page` from the records in `docs/results/`: one
file a table and one line a run, with its command, commit, hardware, seconds and peak
memory. `make results-<table>` executes the runs that are missing. "Ours" is the mean ±
standard deviation over seeds at the last step, sampled from the averaged generator;
"s.e." is the standard error of that mean. The time is that of training alone, per run.
Below a table its best row is compared with the others: runs are paired by task and
seed (by task alone where there are five tasks or more), the interval is a bootstrap's,
p that of Wilcoxon's signed-rank test, corrected by Holm for the comparisons of the
table (the intervals are not). A difference is real if this is below 0.05 and the
interval does not reach over 0. Five seeds of one task are too few for it: such
differences are open. Where the heading says users, those of the test are compared, each
by the mean over the seeds that both rows have (docs/results/users), and the bootstrap
draws users and seeds: "real" is said of users like these, not of other data.
"""


def write_page() -> None:
    """Rebuild the page, with sample grids of this machine's runs if there are any."""
    for _, run, image in _runs_of_seed_0():
        drawn = last_sample_grid(run)
        if drawn is not None:
            write_whole(image, drawn.read_bytes())
    write_whole(records.RESULTS.parent / "results.md", page_text())


def page_text() -> str:
    """The page, from the records and images that lie in docs."""
    published = yaml.safe_load((records.RESULTS / "published.yaml").read_text())
    parts = [HEADER]
    for name, table in TABLES.items():
        parts += [f"## {table.title}", *_section(name, table, published.get(name, []))]
        parts += [
            f"{label}, seed 0: ![samples](figures/{image.name})"
            for label, run, image in _runs_of_seed_0()
            if run.table == name and image.exists()
        ]
    for name in SECTIONS:
        parts += csv_section(name)
        parts += searches_section() if name == "wdgrl_speed" else ()
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _runs_of_seed_0() -> Iterator[tuple[str, Run, Path]]:
    """Finished runs of seed 0, each with its label and where its image goes."""
    for name, table in TABLES.items():
        finished = finished_runs(name)
        for run in planned_runs(name):
            if run.seed == 0 and run in finished:
                several = len(table.tasks_of(name)) > 1
                words = [run.method, run.task] if several else [run.method]
                file = f"{'-'.join([name, *words])}.png"
                yield " ".join(words), run, records.RESULTS.parent / "figures" / file


def _section(
    name: str, table: Table, published: Sequence[dict[str, Any]]
) -> Iterator[str]:
    runs = read_records(name)
    yield table.note
    if table.grid:
        yield markdown(formats.grid(table, runs, published))
        yield markdown(formats.summary(table, runs))
        if ranking := formats.order(table, runs):
            yield f"{ranking}."
    else:
        yield markdown(_rows(name, runs, published))
    if compared := list(differences(name, table, runs)):
        yield f"Differences in the column *{table.columns[0].heading}*:"
        yield markdown(compared)
    if table.by_user and (users := list(table_of_users(name, table, runs))):
        yield (
            f"*{table.columns[0].heading}* of a third of the users each, by their "
            "training pairs, and by how many users the items that were to be found "
            "have on average; then what users are shown:"
        )
        yield markdown(users)
    planned = set(planned_runs(name))
    recorded, finished = (
        len(planned & found)
        for found in ({run_of(run) for run in runs}, finished_runs(name))
    )
    others = f", {recorded - finished} without their users" * (recorded > finished)
    yield f"{finished} of {len(planned)} runs finished{others}. " + (
        f"Command: `make results-{name}`."
    )
    if runs:
        yield from _provenance(name, table, runs)
    if published:
        yield "Published rows: " + "; ".join(_sources(published)) + "."


def _provenance(name: str, table: Table, runs: Sequence[Record]) -> Iterator[str]:
    """Where the numbers of a table come from."""
    tasks = table.tasks_of(name)
    configs = dict.fromkeys(
        f"`configs/{table.experiment(method, task)}.yaml`"
        for task in tasks
        for method in table.methods
        if method not in UNTRAINED and table.seeds_of(method, task)
    )
    yield f"Configs: {', '.join(configs)}."
    yield "Commit: " + ", ".join(sorted({r["commit"] for r in runs})) + "."
    yield "Hardware: " + "; ".join(sorted({r["hardware"] for r in runs})) + "."
    yield "Metrics of every seed: " + (
        f"[the records](results/{name}.jsonl)."
        if len(runs) > MANY
        else each_seed(runs, table.columns, with_task=len(tasks) > 1)
    )


def _rows(
    name: str, runs: Sequence[Record], published: Sequence[dict[str, Any]]
) -> Iterator[list[str]]:
    """Headings, published rows, then a row of ours for every task and method."""
    table, tasks = TABLES[name], TABLES[name].tasks_of(name)
    several = len(tasks) > 1

    def named(method: str, task: str) -> list[str]:
        return [method, task] if several else [method]

    metrics = [column.heading for column in table.columns]
    yield [*named("method", "task"), *metrics, "seeds", "time", "memory"]
    for row in published:
        shown = [str(row["metrics"].get(c.key, "-")) for c in table.columns]
        title = f"*{row['name']}* (published)"
        yield [*named(title, row.get("task", "-")), *shown, "-", "-", "-"]
    for task, method in product(tasks, table.methods):
        if table.seeds_of(method, task):
            own = [r for r in runs if (r["method"], r["task"]) == (method, task)]
            yield [*named(method, task), *_own_row(own, table.columns)]


def _own_row(runs: Sequence[Record], columns: Sequence[Column]) -> list[str]:
    if not runs:
        return [*["not run yet"] * len(columns), *cost(runs)]
    return [*(mean_and_spread(runs, column) for column in columns), *cost(runs)]


def _sources(published: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each source once, with the rows that come from it."""
    rows: dict[str, list[str]] = {}
    for row in published:
        source = f"{row['source']}{', quoted from memory' if row['recalled'] else ''}"
        rows.setdefault(source, []).append(f"*{row['name']}*")
    return (f"{', '.join(names)}: {source}" for source, names in rows.items())
