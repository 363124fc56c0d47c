import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import jobs
from experiments.provenance import require_root


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


def test_one_process_holds_a_lock(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    said = f"^table x is being run by process {os.getpid()}: wait for it to end.$"
    with (
        jobs.alone(lock, "table x"),
        pytest.raises(jobs.BusyError, match=said),
        jobs.alone(lock, "table x"),
    ):
        pass
    with jobs.alone(lock, "table x"):
        pass


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = (
        "import sys, time; from pathlib import Path; from experiments import jobs\n"
        "with jobs.alone(Path(sys.argv[1]), 'x'): print('held', flush=True); "
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(lock)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(jobs.__file__).parents[1])},
    )
    assert process.stdout is not None
    with process.stdout as output:
        output.readline()
    with pytest.raises(jobs.BusyError), jobs.alone(lock, "x"):
        pass
    process.kill()
    process.wait()
    with jobs.alone(lock, "x"):
        assert lock.read_text() == str(os.getpid())


def test_a_lock_without_a_number_yet_is_respected(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        jobs.locked(lock),
        pytest.raises(jobs.BusyError, match="by process unknown"),
        jobs.alone(lock, "x"),
    ):
        pass


def test_another_directory_than_the_root_is_refused_in_one_sentence(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = f"^error: run this from the root of the checkout: cd {repository}$"
    with pytest.raises(SystemExit, match=sentence):
        require_root()
    monkeypatch.chdir(repository)
    require_root()
