"""Which differences of a table are real."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.results.differences import (
    best_of,
    differences,
    holm,
    interval,
    p_value,
    paired,
)
from experiments.results.tables import Column, Table

TASKS = tuple("abcdefgh")


def runs(method: str, gain: float, noise: float = 0.0) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {
            "method": method,
            "task": task,
            "seed": seed,
            "metrics": {"x": number + gain + noise * random.standard_normal()},
        }
        for number, task in enumerate(TASKS)
        for seed in (0, 1)
    ]


def test_the_best_row_is_compared_with_each_other_one() -> None:
    table = Table("t", [Column("x", "x")], 2, ["low", "high", "equal"], TASKS)
    records = [*runs("low", 0), *runs("high", 5), *runs("equal", 5, noise=1e-3)]
    _, low, equal = differences("t", table, records)
    assert low[0] == "low"
    assert low[1] == "5.00"
    assert low[3] == "8"  # a task is one observation
    assert low[-1] == "real"
    assert float(low[4]) == pytest.approx(2 / 2**8, rel=0.1)
    assert float(low[5]) == pytest.approx(2 * float(low[4]), rel=0.1)
    assert equal[-1] == "may be chance"


def test_a_difference_whose_interval_reaches_over_0_is_not_real() -> None:
    """Eleven small gains beside a large loss: their signs differ from chance."""
    table = Table("t", [Column("x", "x")], 1, ["many", "one"], tuple("abcdefghijkl"))
    gains = dict(
        zip(table.tasks, [0.1 * n for n in range(1, 12)] + [-6.0], strict=True)
    )
    rows = [
        {"method": method, "task": task, "seed": 0, "metrics": {"x": value}}
        for task, gain in gains.items()
        for method, value in (("many", gain), ("one", 0.0))
    ]
    (_, row) = differences("t", table, rows)
    assert float(row[5]) < 0.05
    assert row[-1] == "may be chance"


def test_few_observations_leave_a_difference_open() -> None:
    table = Table("t", [Column("x", "x")], 2, ["low", "high"], TASKS[:2])
    few = [run for run in (*runs("low", 0), *runs("high", 5)) if run["task"] in "ab"]
    (_, low) = differences("t", table, few)
    assert low[3:] == ["4", "-", "-", "fewer than 6 pairs: open"]
    assert not list(differences("t", table, runs("low", 0)))


def test_the_best_of_a_distance_is_the_lowest() -> None:
    rows = {"a": {("t", 0): 1.0}, "b": {("t", 0): 2.0}}
    assert best_of(rows, lower=True) == "a"
    assert best_of(rows, lower=False) == "b"


def test_a_row_of_fewer_tasks_is_not_the_best_and_hides_no_task() -> None:
    """Nor has a task of more seeds more weight."""
    of_all = {(task, seed): 1.0 for task in "ab" for seed in range(3)}
    worse = {key: 1.1 if key[0] == "a" else 0.5 for key in of_all}
    rows = {"some": {("a", 0): 9.0}, "worse": worse, "best": of_all}
    assert best_of(rows, lower=False) == "best"
    more = {("a", seed): 2.0 for seed in range(9)} | {("b", 0): 0.0}
    fewer = {("a", seed): 1.0 for seed in range(9)} | {("b", 0): 1.5}
    assert best_of({"more": more, "fewer": fewer}, lower=False) == "fewer"


def test_only_runs_that_both_have_are_paired() -> None:
    one = {("a", 0): 1.0, ("a", 1): 2.0, ("b", 0): 9.0}
    found = paired(one, {("a", 1): 5.0, ("b", 0): 9.0, ("c", 0): 1.0})
    assert found.tolist() == [[-3.0], [0.0]]


@given(st.dictionaries(st.text(), st.floats(0, 1), min_size=1, max_size=8))
def test_holm_corrects_by_the_number_of_comparisons_and_keeps_the_order(
    p_values: dict[str, float],
) -> None:
    found = holm(p_values)
    n, smallest = len(p_values), min(p_values.values())
    assert min(found.values()) == pytest.approx(min(1, n * smallest))
    for name, p in p_values.items():
        assert p <= found[name] <= min(1, n * p) + 1e-12
    ranked = sorted(p_values, key=lambda name: p_values[name])
    assert [found[name] for name in ranked] == sorted(found.values())
    assert holm({"a": 0.01, "b": 0.03})["b"] == pytest.approx(0.03)  # by one, not two


def test_p_values_are_those_of_all_signs() -> None:
    """Of eight positive differences only one of 256 signs is as extreme, twice."""
    assert p_value(np.arange(1.0, 9.0)) == pytest.approx(2 / 256)
    assert p_value(np.zeros(8)) == 1


def test_the_interval_is_that_of_a_mean() -> None:
    gains = np.random.default_rng(1).normal(2, 1, (400, 1))
    low, high = interval(gains)
    assert (high - low) / 2 == pytest.approx(1.96 / 20, rel=0.15)
    assert low < np.mean(gains) < high


def test_the_interval_of_users_covers_the_luck_of_the_seeds() -> None:
    """All users of a run share it: ten seeds, whose means spread by 1."""
    random = np.random.default_rng(1)
    luck = random.permutation(np.linspace(-1.5, 1.5, 10))
    gains = luck + random.normal(0, 0.1, (500, 10))
    low, high = interval(gains)
    assert (high - low) / 2 == pytest.approx(1.96 * luck.std() / 10**0.5, rel=0.15)
