"""Variants and their goals as rows of the page."""

import pytest

from benchmarks.comparison import Goal, compare
from benchmarks.timing import Spent


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal(most=2.0), "at most 2.0: met"),
        (Goal(least=2.5), "at least 2.5: **missed**"),
    ],
)
def test_a_goal_is_said_to_be_met_or_missed(goal: Goal, verdict: str) -> None:
    variants = {"a": lambda: Spent(wall=1.0), "b": lambda: Spent(wall=2.0)}
    one, other = compare("sums", "sum", variants, 2, {"b": goal})
    assert one["goal"] == ""
    assert other["goal"] == verdict
    assert other["ratio"] == "2.00 (2.00 to 2.00)"
