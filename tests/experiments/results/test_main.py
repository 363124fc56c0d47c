import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import jobs
from experiments.results import __main__ as results
from experiments.results import tables
from experiments.results.runs import Run, finished_runs, write_record
from experiments.results.tables import Column, Table

pytestmark = pytest.mark.usefixtures("docs")

# Stands in for `python -m experiments.results one ...`: notes that it was started, then
# leaves a record, fails, or sends its parent the signal that it is told to.
FAKE = """
import json, os, pathlib, sys, time
command, table, method, task, seed = sys.argv[1:]
name = f"{method}--{task}--{seed}"
with pathlib.Path(os.environ["FAKE_STARTED"]).open("a") as started:
    started.write(name + "\\n")
print("threads:", os.environ["OMP_NUM_THREADS"])
if os.environ.get("FAKE_FAILURE") == name:
    sys.exit("no luck")
if os.environ.get("FAKE_SIGNAL", "").startswith(name):
    os.kill(os.getppid(), int(os.environ["FAKE_SIGNAL"].split()[1]))
    time.sleep(60)
record = {"table": table, "method": method, "task": task, "seed": int(seed),
          "metrics": {"score": 1.0}, "command": "", "commit": "c", "hardware": "h",
          "seconds": 1.0, "peak_memory_bytes": 0}
path = pathlib.Path(os.environ["FAKE_RUNS"], table, name + ".json")
path.write_text(json.dumps(record))
"""
NAMES = ["a--fake--0", "b--fake--0", "a--fake--1", "b--fake--1"]


@pytest.fixture(autouse=True)
def _fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more table, and a quick fake in the place of training."""
    monkeypatch.setattr(jobs, "POLL", 0.01)
    fake = tmp_path / "fake.py"
    fake.write_text(FAKE)
    monkeypatch.setattr(results, "PROGRAM", (sys.executable, str(fake)))
    monkeypatch.setenv("FAKE_STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("FAKE_RUNS", str(tmp_path / "runs"))
    table = Table("Fake", (Column("score", "score"),), 2, ("a", "b"))
    monkeypatch.setitem(tables.TABLES, "fake", table)


def started(tmp_path: Path) -> list[str]:
    return (tmp_path / "started").read_text().splitlines()


def finished() -> set[str]:
    return {run.name for run in finished_runs("fake")}


def main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["results.py", *words])
    return results.main()


def test_what_is_missing_is_run_and_nothing_else(docs: Path, tmp_path: Path) -> None:
    write_record(Run("fake", "a", "fake", 1), {"score": 5.0}, 1.0, "abc")
    before = (docs / "results" / "fake.jsonl").read_text()
    assert results.run(["fake"], 1) == 0
    assert started(tmp_path) == ["a--fake--0", "b--fake--0", "b--fake--1"]
    assert before in (docs / "results" / "fake.jsonl").read_text()
    assert "4 of 4 runs" in (docs / "results.md").read_text()
    assert results.run(["fake"], 1) == 0
    assert len(started(tmp_path)) == 3


def test_every_run_has_one_core_and_its_own_log(tmp_path: Path) -> None:
    results.run(["fake"], 2)
    logs = [tmp_path / "runs" / "fake" / f"{name}.log" for name in NAMES]
    assert [log.read_text() for log in logs] == ["threads: 1\n"] * 4


def test_a_run_that_fails_is_counted_and_the_others_go_on(
    docs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_FAILURE", NAMES[1])
    assert main(monkeypatch, "run", "fake", "--jobs=2") == 1
    assert finished() == set(NAMES) - {NAMES[1]}
    assert f"{NAMES[1]} failed" in capsys.readouterr().out
    assert "3 of 4 runs" in (docs / "results.md").read_text()


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_table_ends_its_runs_shows_the_rest_and_goes_on_later(
    docs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    start = jobs.Job.start

    def remembered(job: jobs.Job) -> subprocess.Popen[bytes]:
        processes.append(start(job))
        return processes[-1]

    monkeypatch.setattr(jobs.Job, "start", remembered)
    monkeypatch.setenv("FAKE_SIGNAL", f"{NAMES[2]} {int(number)}")
    try:
        status = main(monkeypatch, "run", "fake", "--jobs=1")
    except SystemExit as error:
        status = int(error.code or 0)
    assert status == 128 + number
    assert len(processes) == 3
    assert all(process.poll() is not None for process in processes)
    assert finished() == set(NAMES[:2])
    assert "2 of 4 runs" in (docs / "results.md").read_text()

    monkeypatch.delenv("FAKE_SIGNAL")
    assert results.run(["fake"], 1) == 0
    assert started(tmp_path) == [*NAMES[:3], *NAMES[2:]]
    assert finished() == set(NAMES)


@pytest.mark.usefixtures("_signals")
def test_a_table_is_run_by_one_process_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with jobs.alone(tmp_path / "runs" / "fake" / "lock", "x"):
        assert main(monkeypatch, "run", "fake") == 2
    said = capsys.readouterr().err
    assert f"table fake is being run by process {os.getpid()}" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "started").exists()
    assert results.run(["fake"], 2) == 0


@pytest.mark.usefixtures("_signals")
def test_two_jobs_at_most_unless_more_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def noted(_: object, at_once: int, __: str) -> int:
        asked.append(at_once)
        return 0

    monkeypatch.setattr(jobs, "run_all", noted)
    main(monkeypatch, "run", "fake")
    main(monkeypatch, "run", "fake", "--jobs=7")
    assert asked == [min(2, os.cpu_count() or 1), 7]
    with pytest.raises(SystemExit):
        main(monkeypatch, "run", "fake", "--jobs=0")
    assert "--jobs: must be at least 1, got 0" in capsys.readouterr().err


def test_runs_of_one_method_and_seed_can_share_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = Table("F", (), 2, ("a", "b"), tuple("xyz"), together=2)
    monkeypatch.setitem(tables.TABLES, "fake", shared)
    write_record(Run("fake", "a", "y", 0), {}, 1.0, "abc")
    words = [job.words[-3:] for job in results._jobs("fake", None)]
    assert words == [
        ("a", "x,z", "0"),
        ("b", "x,y", "0"),
        ("b", "z", "0"),
        ("a", "x,y", "1"),
        ("b", "x,y", "1"),
        ("a", "z", "1"),
        ("b", "z", "1"),
    ]


def test_a_run_that_no_table_has_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "one", "ring8", "gun", "ring8", "0") == 2
    assert capsys.readouterr().err == ("error: table ring8 has no run gun--ring8--0.\n")
