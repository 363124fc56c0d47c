"""Tables of many tasks: tasks are rows, methods are columns, averages below."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from experiments.results.spec import Column, Table

Cells = Sequence[dict[str, Any]]


def grid(table: Table, found: Cells, published: Cells) -> Iterator[list[str]]:
    """The first column's metric for every task and method.

    Args:
        table: Its tasks, methods and columns.
        found: The finished cells.
        published: Rows with ``name``, and ``tasks`` and ``average`` as printed.
    """
    column = table.columns[0]
    yield [
        "task",
        *table.methods,
        *(f"*{row['name']}* (published)" for row in published),
    ]
    for task in table.tasks:
        ours = [_task(found, method, task, column) for method in table.methods]
        theirs = (row.get("tasks", {}).get(task, "-") for row in published)
        yield [task, *ours, *theirs]
    ours = [average(table, found, method, column) for method in table.methods]
    yield ["**average**", *ours, *(row.get("average", "-") for row in published)]


def summary(table: Table, found: Cells) -> Iterator[list[str]]:
    """Averages over the tasks of every metric, for each method."""
    headings = [column.heading for column in table.columns]
    yield ["method", *headings, "seeds", "time of all tasks", "memory"]
    for method in table.methods:
        mine = [cell for cell in found if cell["method"] == method]
        shown = [average(table, found, method, column) for column in table.columns]
        seeds = {cell["seed"] for cell in mine}
        if not mine:
            yield [method, *shown, "0", "-", "-"]
            continue
        seconds = sum(cell["seconds"] for cell in mine) / len(seeds)
        memory = max(cell["peak_memory_bytes"] for cell in mine) / 2**30
        cost = [f"{seconds:.0f} s", f"{memory:.1f} GiB"]
        yield [method, *shown, str(len(seeds)), *cost]


def average(table: Table, found: Cells, method: str, column: Column) -> str:
    """Mean over the tasks, with its standard error over the seeds that have all."""
    means = []
    mine = [c for c in found if c["method"] == method and column.key in c["metrics"]]
    for seed in sorted({cell["seed"] for cell in mine}):
        values = [c["metrics"][column.key] for c in mine if c["seed"] == seed]
        if len(values) == len(table.tasks):
            means.append(statistics.mean(values))
    if not means:
        return "-"
    shown = column.show(statistics.mean(means))
    if len(means) < 2:
        return shown
    error = statistics.stdev(means) / len(means) ** 0.5
    return f"{shown} (s.e. {column.show(error)})"


def _task(found: Cells, method: str, task: str, column: Column) -> str:
    values = [
        cell["metrics"][column.key]
        for cell in found
        if (cell["method"], cell["task"]) == (method, task)
    ]
    return column.show(statistics.mean(values)) if values else "-"


def order(table: Table, found: Cells) -> str:
    """Who is ahead on average, in a sentence; nothing without two finished methods."""
    column = table.columns[0]
    means = {method: average(table, found, method, column) for method in table.methods}
    done = {m: float(shown.split()[0]) for m, shown in means.items() if shown != "-"}
    if len(done) < 2:
        return ""
    ranked = sorted(done, key=lambda method: -done[method])
    return "In order of the average: " + ", ".join(
        f"{method} {means[method]}" for method in ranked
    )
