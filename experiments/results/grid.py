"""Tables of many tasks: tasks are rows, methods are columns, averages below."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from experiments.records import Record
from experiments.results.formats import cost, values
from experiments.results.tables import Column, Table


def grid(
    table: Table, runs: Sequence[Record], published: Sequence[dict[str, Any]]
) -> Iterator[list[str]]:
    """The first column's metric for every task and method.

    Args:
        table: Its tasks, methods and columns.
        runs: The records.
        published: Rows with ``name``, and ``tasks`` and ``average`` as printed.
    """
    column = table.columns[0]
    names = (f"*{row['name']}* (published)" for row in published)
    yield ["task", *table.methods, *names]
    for task in table.tasks:
        ours = [_task(runs, method, task, column) for method in table.methods]
        theirs = (row.get("tasks", {}).get(task, "-") for row in published)
        yield [task, *ours, *theirs]
    ours = [average(table, runs, method, column) for method in table.methods]
    yield ["**average**", *ours, *(row.get("average", "-") for row in published)]


def summary(table: Table, runs: Sequence[Record]) -> Iterator[list[str]]:
    """Averages over the tasks of every metric, for each method."""
    headings = [column.heading for column in table.columns]
    yield ["method", *headings, "seeds", "time of all tasks", "memory"]
    for method in table.methods:
        shown = [average(table, runs, method, column) for column in table.columns]
        own = [record for record in runs if record["method"] == method]
        yield [method, *shown, *cost(own)]


def average(table: Table, runs: Sequence[Record], method: str, column: Column) -> str:
    """Mean over the tasks, with its standard error over the seeds that have all."""
    means = []
    own = [record for record in runs if record["method"] == method]
    for seed in sorted({record["seed"] for record in own}):
        of_seed = values([r for r in own if r["seed"] == seed], column)
        if len(of_seed) == len(table.tasks):
            means.append(statistics.mean(of_seed))
    if not means:
        return "-"
    shown = column.show(statistics.mean(means))
    if len(means) < 2:
        return shown
    error = statistics.stdev(means) / len(means) ** 0.5
    return f"{shown} (s.e. {column.show(error)})"


def _task(runs: Sequence[Record], method: str, task: str, column: Column) -> str:
    own = [r for r in runs if (r["method"], r["task"]) == (method, task)]
    return column.show(statistics.mean(values(own, column))) if own else "-"


def order(table: Table, runs: Sequence[Record]) -> str:
    """Methods by their average, in a sentence; nothing without two finished ones."""
    column = table.columns[0]
    means = {method: average(table, runs, method, column) for method in table.methods}
    done = {m: float(shown.split()[0]) for m, shown in means.items() if shown != "-"}
    if len(done) < 2:
        return ""
    ranked = sorted(done, key=lambda method: -done[method])
    return "In order of the average: " + ", ".join(
        f"{method} {means[method]}" for method in ranked
    )
