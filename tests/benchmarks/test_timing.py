"""Variants, fits and commands, what they cost, their goals, and the machine's limit."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import fitting, startup, work
from benchmarks.comparison import Goal, compare
from benchmarks.fitting import fit_beside
from benchmarks.generative import N_CRITIC, PAIRS, Method, RandomRows, module
from benchmarks.timing import Spent, alternate, spending, timed


def test_ratios_are_of_units_and_taken_within_a_round() -> None:
    slow = iter([9.0, 2.0, 8.0, 4.0])  # the first round warms up
    fast = iter([9.0, 1.0, 4.0, 2.0])
    variants = {
        "fast": lambda: Spent(wall=next(fast), cpu=1.0, units=10),
        "slow": lambda: Spent(wall=next(slow), cpu=3.0, memory=7, units=5),
    }
    found = alternate(variants, rounds=3)
    assert found["fast"].ratio == 1.0
    assert found["slow"].ratio == found["slow"].spread[0] == 4.0
    assert found["slow"].wall == 4.0 / 5
    assert found["slow"].cpu == 3.0 / 5
    assert found["slow"].memory == 7


def test_every_round_goes_the_other_way() -> None:
    seen: list[str] = []

    def variant(name: str) -> Spent:
        seen.append(name)
        return Spent(wall=1.0)

    alternate({"a": lambda: variant("a"), "b": lambda: variant("b")}, rounds=2)
    assert seen == ["b", "a", "a", "b", "b", "a"]


def test_one_round_has_no_spread() -> None:
    with pytest.raises(ValueError, match="rounds must be at least 2, got 1"):
        alternate({"a": Spent}, rounds=1)


def test_a_block_costs_time_and_memory() -> None:
    spent = Spent()
    with spending(spent):
        held = bytearray(b"x" * 2**26)
        start = time.process_time()
        while time.process_time() < start + 0.1:  # the clock has its own steps
            pass
    assert 2**25 < spent.memory < 2**28
    assert spent.wall >= spent.cpu * 0.5 > 0
    assert len(held) == 2**26


def test_all_calls_of_a_function_count() -> None:
    calls: list[int] = []
    spent = timed(lambda: calls.append(1), 3)
    assert (len(calls), spent.units) == (3, 3)
    assert spent.wall > 0


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


def test_the_share_of_the_limit_is_work_by_time_by_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "matrix_rate", lambda: 1e9)
    monkeypatch.setattr(work, "_time", lambda *_: 0.25)
    monkeypatch.setattr(work, "count", lambda _: 200_000_000)
    monkeypatch.setattr(work, "CASES", (("gan", "digits", 1, Goal(least=0.9)),))
    (row,) = work.work(rounds=2)
    assert row["share of the limit"] == "80%"
    assert row["goal"] == "at least 90%: **missed**"


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        startup.ran(["sh", "-c", "echo no such thing; exit 3"])


def test_a_command_s_own_time_and_memory_count() -> None:
    spent = startup.ran(["sleep", "0.2"])
    assert 0.2 <= spent.wall < 5
    assert spent.cpu < 0.2
    assert spent.memory > 0


def test_help_and_first_step_have_goals_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walls = {startup.IMPORT: 2.0, startup.HELP: 2.2}
    monkeypatch.setattr(startup, "ran", lambda words: Spent(wall=walls[words]))
    monkeypatch.setattr(startup, "first_step", lambda: Spent(wall=6.2))
    monkeypatch.setattr(startup, "two_fits", lambda: [Spent(0.8), Spent(0.48)])
    _, helped, fitted, _, second = startup.startup(2)
    assert second["goal"] == "at most 0.5: **missed**"
    assert (helped["ratio"][:4], helped["goal"]) == ("1.10", "at most 1.15: met")
    assert fitted["ratio"].startswith("3.10")
    assert fitted["goal"] == "at most 3 s after --help, took 4.0: **missed**"


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
