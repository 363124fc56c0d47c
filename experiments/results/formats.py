"""Records as text: means with their spread, costs, grids of tasks and methods."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from experiments.records import Record
from experiments.results.tables import Column, Table


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; the first row holds the headings.

    >>> print(markdown([["method", "score"], ["gan", "0.5"]]))
    | method | score |
    |---|---|
    | gan | 0.5 |
    """
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count(" | ") + 1), *lines[1:]])


def values(runs: Sequence[Record], column: Column) -> list[float]:
    """A metric of those records that have it."""
    metrics = (record["metrics"] for record in runs)
    return [own[column.key] for own in metrics if column.key in own]


def mean_of(runs: Sequence[Record], column: Column) -> str:
    """Mean over the runs that have it."""
    own = values(runs, column)
    return column.show(statistics.mean(own)) if own else "-"


def mean_and_spread(runs: Sequence[Record], column: Column) -> str:
    """Mean ± standard deviation over the seeds, and the standard error."""
    own = values(runs, column)
    if not own:
        return "-"
    mean = column.show(statistics.mean(own))
    if len(own) < 2:
        return mean
    deviation = statistics.stdev(own)
    error = column.show(deviation / len(own) ** 0.5)
    return f"{mean} ± {column.show(deviation)} (s.e. {error})"


def cost(runs: Sequence[Record]) -> list[str]:
    """Seeds, seconds for each seed, and the largest peak of memory."""
    if not runs:
        return ["0", "-", "-"]
    seeds = len({record["seed"] for record in runs})
    seconds = sum(record["seconds"] for record in runs) / seeds
    memory = max(record["peak_memory_bytes"] for record in runs) / 2**30
    return [str(seeds), f"{seconds:.0f} s" if seconds else "-", f"{memory:.1f} GiB"]


def each_seed(
    runs: Sequence[Record], columns: Sequence[Column], with_task: bool
) -> str:
    """The metrics of every run, in a sentence."""
    parts = []
    for record in runs:
        own, task = record["metrics"], f" {record['task']}" * with_task
        shown = "/".join(c.show(own[c.key]) for c in columns if c.key in own)
        parts.append(f"{record['method']}{task} {record['seed']}: {shown}")
    return "; ".join(parts) + "."


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
    return mean_of(own, column)


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
