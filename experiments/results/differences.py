"""Which differences of a table are real: paired tests between its rows.

The row that is best on average is compared with each other one. Runs are paired by task
and seed. Where there are five tasks or more a task is one observation (the mean over
its common seeds), because seeds of one task say nothing about other tasks; else
every task and seed is. In a table that is compared by user, users stand for tasks. The
interval is a bootstrap's, the test Wilcoxon's signed-rank, its p-value corrected by
Holm for the comparisons of the table. A difference is real if this is below 0.05 and
the interval does not reach over 0.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import wilcoxon

from experiments.records import Record
from experiments.results.tables import UNTRAINED, Column, Table
from experiments.results.user_values import values_of_users

TASKS = 5  # from which tasks are the observations
FEWEST = 6  # observations with which Wilcoxon's p-value can be below 0.05
LEVEL = 0.05
OPEN = f"fewer than {FEWEST} pairs: open"
DRAWS = 10_000
FEW_DRAWS, MANY = 1_000, 1_000  # draws of more than so many observations

Values = Mapping[tuple[str, int], float]
"""A metric of one row, by task and seed."""


def differences(name: str, table: Table, runs: Sequence[Record]) -> Iterator[list[str]]:
    """A table of the comparisons in the first column; nothing without two rows."""
    column = table.columns[0]
    rows: dict[str, Values] = {
        row: values_of_users(name, row) if table.by_user else _values(runs, row, column)
        for row in table.methods
        if row not in UNTRAINED
    }
    rows = {row: values for row, values in rows.items() if values}
    if len(rows) < 2:
        return
    best = best_of(rows, lower=table.lower_is_better)
    gains = {row: paired(rows[best], values) for row, values in rows.items()}
    gains = {row: found for row, found in gains.items() if row != best and found}
    tested = {row: p_value(found) for row, found in gains.items()}
    corrected = holm({row: p for row, p in tested.items() if p is not None})
    unit = "users" if table.by_user else "pairs"
    yield [f"{best} minus", "difference", "95 % interval", unit, "p", "by Holm", ""]
    for row, found in gains.items():
        yield [row, *_shown(found, corrected.get(row), column)]


def _values(
    runs: Sequence[Record], method: str, column: Column
) -> dict[tuple[str, int], float]:
    return {
        (run["task"], run["seed"]): run["metrics"][column.key]
        for run in runs
        if run["method"] == method and column.key in run["metrics"]
    }


def best_of(rows: Mapping[str, Values], *, lower: bool) -> str:
    """The row with the best mean over the tasks and seeds that all rows have.

    Where no run is common to all, each row's own runs count.
    """
    common = set.intersection(*(set(row) for row in rows.values()))
    sign = -1 if lower else 1

    def mean(name: str) -> float:
        own = rows[name]
        return sign * statistics.fmean(own[key] for key in common or own)

    return max(rows, key=mean)


def paired(one: Values, other: Values) -> list[float]:
    """Differences of two rows, one for each observation.

    >>> paired({("a", 0): 3.0, ("a", 1): 5.0}, {("a", 1): 4.0, ("b", 0): 9.0})
    [1.0]
    """
    gains: dict[str, list[float]] = {}
    for key in sorted(one.keys() & other.keys()):
        gains.setdefault(key[0], []).append(one[key] - other[key])
    if len(gains) < TASKS:
        return [gain for of_task in gains.values() for gain in of_task]
    return [statistics.fmean(of_task) for of_task in gains.values()]


def p_value(gains: Sequence[float]) -> float | None:
    """Wilcoxon's signed-rank p-value, two-sided; None with too few observations."""
    if len(gains) < FEWEST:
        return None
    if not any(gains):
        return 1.0
    return float(wilcoxon(gains, zero_method="pratt").pvalue)


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


def interval(gains: Sequence[float]) -> tuple[float, float]:
    """Percentiles 2.5 and 97.5 of the mean, observations drawn with replacement."""
    random, given = np.random.default_rng(0), np.asarray(gains)
    draws = FEW_DRAWS if len(given) > MANY else DRAWS
    means = [random.choice(given, len(given)).mean() for _ in range(draws)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _shown(
    gains: Sequence[float], corrected: float | None, column: Column
) -> list[str]:
    """Mean, interval, number, both p-values, and what they say."""
    mean, number = column.show(statistics.mean(gains)), str(len(gains))
    if len(gains) < 2:
        return [mean, "-", number, "-", "-", OPEN]
    ends = interval(gains)
    shown = [mean, " to ".join(map(column.show, ends)), number]
    p = p_value(gains)
    if p is None or corrected is None:
        return [*shown, "-", "-", OPEN]
    real = corrected < LEVEL and not ends[0] <= 0 <= ends[1]
    verdict = "real" if real else "may be chance"
    return [*shown, f"{p:.2g}", f"{corrected:.2g}", verdict]
