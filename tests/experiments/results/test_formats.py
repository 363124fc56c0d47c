"""Grids of tasks and methods, with averages and their standard errors."""

from typing import Any

from experiments.results.formats import average, grid, order, summary
from experiments.results.tables import Column, Table

SCORE = Column("score", "score", "{:.1f}")
TABLE = Table("T", (SCORE,), 2, ("a", "b"), ("x", "y"), grid=True)


def record(method: str, task: str, seed: int, score: float) -> dict[str, Any]:
    costs = {"seconds": 10.0, "peak_memory_bytes": 2**30}
    names = {"method": method, "task": task, "seed": seed}
    return {**names, "metrics": {"score": score}, **costs}


RECORDS = [
    record("a", "x", 0, 1.0),
    record("a", "y", 0, 3.0),
    record("a", "x", 1, 3.0),
    record("a", "y", 1, 5.0),
    record("b", "x", 0, 9.0),
]


def test_averages_are_of_the_seeds_that_have_every_task() -> None:
    assert average(TABLE, RECORDS, "a", SCORE) == "3.0 (s.e. 1.0)"
    assert average(TABLE, RECORDS[:3], "a", SCORE) == "2.0"
    assert average(TABLE, RECORDS, "b", SCORE) == "-"


def test_tasks_are_rows_and_methods_are_columns() -> None:
    published = [{"name": "P", "tasks": {"y": "7"}, "average": "8"}]
    assert list(grid(TABLE, RECORDS, published)) == [
        ["task", "a", "b", "*P* (published)"],
        ["x", "2.0", "9.0", "-"],
        ["y", "4.0", "-", "7"],
        ["**average**", "3.0 (s.e. 1.0)", "-", "8"],
    ]


def test_the_time_of_a_method_is_that_of_all_its_tasks() -> None:
    _, a, b = summary(TABLE, RECORDS)
    assert a == ["a", "3.0 (s.e. 1.0)", "2", "20 s", "1.0 GiB"]
    assert b == ["b", "-", "1", "10 s", "1.0 GiB"]


def test_methods_are_ordered_once_two_are_finished() -> None:
    assert order(TABLE, RECORDS) == ""
    both = [*RECORDS, record("b", "y", 0, 9.0)]
    assert order(TABLE, both) == "In order of the average: b 9.0, a 3.0 (s.e. 1.0)"
