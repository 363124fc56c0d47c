"""Commands and what they cost."""

import pytest

from benchmarks import startup
from benchmarks.timing import Spent


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
