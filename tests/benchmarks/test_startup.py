"""Commands and what they cost."""

import pytest

from benchmarks import startup


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        startup.ran(["sh", "-c", "echo no such thing; exit 3"])


def test_a_command_s_own_time_and_memory_count() -> None:
    spent = startup.ran(["sleep", "0.2"])
    assert 0.2 <= spent.wall < 5
    assert spent.cpu < 0.2
    assert spent.memory > 0
