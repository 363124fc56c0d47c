"""Records as text: means with their spread, costs, Markdown tables."""

import statistics
from collections.abc import Iterable, Sequence

from experiments.records import Record
from experiments.results.tables import Column


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
