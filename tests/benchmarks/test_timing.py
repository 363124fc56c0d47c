"""Ways timed in turn, and what is said of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import fitting
from benchmarks.fitting import fit_beside
from benchmarks.generative import N_CRITIC, PAIRS, Method, RandomRows, module
from benchmarks.records import Goal, rows
from benchmarks.timing import Spent, alternate, spending


def test_ratios_are_of_units_and_taken_within_a_round() -> None:
    slow = iter([9.0, 2.0, 8.0, 4.0])  # the first round warms up
    fast = iter([9.0, 1.0, 4.0, 2.0])
    ways = {
        "fast": lambda: Spent(wall=next(fast), cpu=1.0, units=10),
        "slow": lambda: Spent(wall=next(slow), cpu=3.0, memory=7, units=5),
    }
    found = alternate(ways, rounds=3)
    assert found["fast"].ratio == 1.0
    assert found["slow"].ratio == found["slow"].spread[0] == 4.0
    assert found["slow"].wall == 4.0 / 5
    assert found["slow"].cpu == 3.0 / 5
    assert found["slow"].memory == 7


def test_every_round_goes_the_other_way() -> None:
    seen: list[str] = []

    def way(name: str) -> Spent:
        seen.append(name)
        return Spent(wall=1.0)

    alternate({"a": lambda: way("a"), "b": lambda: way("b")}, rounds=2)
    assert seen == ["b", "a", "a", "b", "b", "a"]


def test_one_round_has_no_spread() -> None:
    with pytest.raises(ValueError, match="rounds must be at least 2, got 1"):
        alternate({"a": Spent}, rounds=1)


@pytest.mark.parametrize("method", ["gan", "wgan_gp"])
def test_a_fit_and_the_other_way_do_as_much_in_turn(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    @contextmanager
    def noted(spent: Spent) -> Iterator[None]:
        seen.append("begin")
        yield
        spent.wall += 1.0
        seen.append("end")

    monkeypatch.setattr(fitting, "spending", noted)
    pair = PAIRS["digits"]
    ours = module(method, pair)
    ours.on_before_optimizer_step = lambda *_: seen.append(  # type: ignore[method-assign]
        "update"
    )
    rows = RandomRows(pair.shape, pair.batch)
    spent = fit_beside(lambda n: seen.append(f"other {n}"), ours, rows, 2, 3)
    updates = ["update"] * (2 * (N_CRITIC[method] + 1))
    one = ["begin", *updates, "end", "begin", "other 2", "end"]
    assert seen == 3 * one
    assert [[(s.wall, s.units) for s in way] for way in spent] == 2 * [3 * [(1.0, 2)]]


def test_a_block_costs_time_and_memory() -> None:
    spent = Spent()
    with spending(spent):
        held = bytearray(b"x" * 2**26)
    assert 2**25 < spent.memory < 2**28
    assert spent.wall >= spent.cpu * 0.5 > 0
    assert len(held) == 2**26


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal(most=2.0), "at most 2.0: met"),
        (Goal(least=2.5), "at least 2.5: **missed**"),
    ],
)
def test_a_goal_is_said_to_be_met_or_missed(goal: Goal, verdict: str) -> None:
    ways = {"a": lambda: Spent(wall=1.0), "b": lambda: Spent(wall=2.0)}
    one, other = rows("sums", "sum", ways, 2, {"b": goal})
    assert one.record()["goal"] == ""
    assert other.record()["goal"] == verdict
    assert other.record()["ratio"] == "2.00 (2.00 to 2.00)"
