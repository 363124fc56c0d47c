import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import jobs


def test_a_process_that_does_not_end_when_asked_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=1)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{deaf}; time.sleep(60)"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as output:
        output.readline()
    monkeypatch.setattr(jobs, "PATIENCE", 0.1)
    jobs.end([process])
    assert process.returncode == -signal.SIGKILL


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_one_process_holds_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    said = f"^table x is being run by process {os.getpid()}: wait for it to end.$"
    with (
        jobs.alone(lock, "table x"),
        pytest.raises(jobs.BusyError, match=said),
        jobs.alone(lock, "table x"),
    ):
        pass
    assert not lock.exists()


def test_the_lock_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(str(dead_pid()))
    with jobs.alone(lock, "x"):
        assert lock.read_text() == str(os.getpid())
    assert not lock.exists()


def test_a_lock_without_a_number_yet_is_respected(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with (
        pytest.raises(jobs.BusyError, match="by process unknown"),
        jobs.alone(lock, "x"),
    ):
        pass
    assert lock.exists()
