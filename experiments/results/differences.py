"""Which differences of a table are real: paired tests between its rows.

The row that is best on average is compared with each other one. Runs are paired by task
and seed. Where there are five tasks or more a task is one observation (the mean over
its common seeds), because seeds of one task say nothing about other tasks; else
every task and seed is. In a table that is compared by user, an observation is a user.
The interval is a bootstrap's, of observations, and of seeds where there are users: the
users of a run share its luck. The test is Wilcoxon's signed-rank, its p-value corrected
by Holm for the comparisons of the table. A difference is real if this is below 0.05 and
the interval does not reach over 0.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from experiments.records import Record
from experiments.results.tables import UNTRAINED, Column, Table
from experiments.results.user_values import values_of_users

TASKS = 5  # from which tasks are the observations
FEWEST = 6  # observations with which Wilcoxon's p-value can be below 0.05
SEEDS = 3  # that both rows have, so that users say more than how lucky a run was
LEVEL = 0.05
DRAWS = 10_000
FEW_DRAWS, MANY = 1_000, 100  # draws of more than so many observations

Values = Mapping[tuple[str, int], float]
"""A metric of one row, by task (or user) and seed."""
Gains = NDArray[np.float64]
"""Differences of two rows, (observations, seeds); of runs that are no users' (n, 1)."""


def differences(name: str, table: Table, runs: Sequence[Record]) -> Iterator[list[str]]:
    """A table of the comparisons in the first column; nothing without two rows."""
    column = table.columns[0]
    rows: dict[str, Values] = {
        row: _of_users(name, runs, row) if table.by_user else _values(runs, row, column)
        for row in table.methods
        if row not in UNTRAINED
    }
    rows = {row: values for row, values in rows.items() if values}
    if len(rows) < 2:
        return
    best = best_of(rows, lower=table.lower_is_better)
    gains = {
        row: paired(rows[best], values, of_users=table.by_user)
        for row, values in rows.items()
        if row != best
    }
    gains = {row: found for row, found in gains.items() if len(found)}
    lacking = {row: _lacking(found, table.by_user) for row, found in gains.items()}
    tested = {r: p_value(g.mean(1)) for r, g in gains.items() if not lacking[r]}
    corrected = holm(tested)
    unit = "users" if table.by_user else "pairs"
    yield [f"{best} minus", "difference", "95 % interval", unit, "p", "by Holm", ""]
    for row, found in gains.items():
        p_values = (tested[row], corrected[row]) if row in tested else None
        yield [row, *_shown(found, p_values, column, lacking[row])]


def _of_users(
    name: str, runs: Sequence[Record], method: str
) -> dict[tuple[str, int], float]:
    seeds = [run["seed"] for run in runs if run["method"] == method]
    return values_of_users(name, method, seeds)


def _values(
    runs: Sequence[Record], method: str, column: Column
) -> dict[tuple[str, int], float]:
    return {
        (run["task"], run["seed"]): run["metrics"][column.key]
        for run in runs
        if run["method"] == method and column.key in run["metrics"]
    }


def best_of(rows: Mapping[str, Values], *, lower: bool) -> str:
    """Of the rows with the most tasks, that with the best mean over their tasks.

    A task is the mean over the seeds that all these rows have; where no run is common
    to all of them, each row's own runs count.
    """
    tasks = {name: {task for task, _ in row} for name, row in rows.items()}
    most = max(map(len, tasks.values()))
    whole = {name: rows[name] for name in rows if len(tasks[name]) == most}
    common = set.intersection(*(set(row) for row in whole.values()))
    sign = -1 if lower else 1

    def mean(name: str) -> float:
        own = whole[name]
        by_task: dict[str, list[float]] = {}
        for key in common or own:
            by_task.setdefault(key[0], []).append(own[key])
        return sign * statistics.fmean(map(statistics.fmean, by_task.values()))

    return max(whole, key=mean)


def paired(one: Values, other: Values, *, of_users: bool = False) -> Gains:
    """Differences of two rows: a line for each observation.

    >>> paired({("a", 0): 3.0, ("a", 1): 5.0}, {("a", 1): 4.0, ("b", 0): 9.0})
    array([[1.]])
    """
    gains: dict[str, list[float]] = {}
    for key in sorted(one.keys() & other.keys()):
        gains.setdefault(key[0], []).append(one[key] - other[key])
    if of_users:
        return np.array(list(gains.values()))
    if len(gains) < TASKS:
        return np.array([[gain] for of_task in gains.values() for gain in of_task])
    return np.array([[statistics.fmean(of_task)] for of_task in gains.values()])


def _lacking(gains: Gains, of_users: bool) -> str:
    """Why a difference is open, or nothing."""
    n, seeds = gains.shape
    if of_users and seeds < SEEDS:
        return f"fewer than {SEEDS} seeds: open"
    return f"fewer than {FEWEST} pairs: open" if n < FEWEST else ""


def p_value(gains: Gains) -> float:
    """Wilcoxon's signed-rank p-value of differences (n,), two-sided."""
    return float(wilcoxon(gains, zero_method="pratt").pvalue) if gains.any() else 1.0


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values corrected for their number (Holm 1979).

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        largest = max(largest, (len(p_values) - rank) * p_values[name])
        corrected[name] = min(1.0, largest)
    return corrected


def interval(gains: Gains) -> tuple[float, float]:
    """Percentiles 2.5 and 97.5 of the mean, observations and seeds drawn again."""
    random, (n, seeds) = np.random.default_rng(0), gains.shape
    draws = FEW_DRAWS if n > MANY else DRAWS
    drawn_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    each = drawn_seeds @ gains.T
    means = np.take_along_axis(each, random.integers(0, n, each.shape), 1).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _shown(
    gains: Gains, p_values: tuple[float, float] | None, column: Column, lacking: str
) -> list[str]:
    """Mean, interval, number, both p-values, and what they say."""
    mean, number = column.show(float(gains.mean())), str(len(gains))
    if len(gains) < 2:
        return [mean, "-", number, "-", "-", lacking]
    ends = interval(gains)
    shown = [mean, " to ".join(map(column.show, ends)), number]
    if p_values is None:
        return [*shown, "-", "-", lacking]
    real = p_values[1] < LEVEL and not ends[0] <= 0 <= ends[1]
    verdict = "real" if real else "may be chance"
    return [*shown, *(f"{p:.2g}" for p in p_values), verdict]
