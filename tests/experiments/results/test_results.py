import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import jobs
from experiments import report as page
from experiments.results import __main__ as results
from experiments.results import measure, tables
from experiments.results import record as cells
from experiments.results.record import Cell
from experiments.results.spec import Column, Table

KEYS = [
    "table",
    "method",
    "task",
    "seed",
    "metrics",
    "command",
    "commit",
    "hardware",
    "seconds",
    "peak_memory_bytes",
]
# Stands in for `results.py cell ...`: says that it was started, then keeps its cell,
# fails, or sends its parent the signal that it is told to.
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
cell = {"table": table, "method": method, "task": task, "seed": int(seed),
        "metrics": {"score": 1.0}, "command": "", "commit": "c", "hardware": "h",
        "seconds": 1.0, "peak_memory_bytes": 0}
path = pathlib.Path(os.environ["FAKE_RESULTS"], table, name + ".json")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(cell))
"""
NAMES = ["a--fake--0", "b--fake--0", "a--fake--1", "b--fake--1"]


@pytest.fixture(autouse=True)
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty results, one more table, and a quick fake in the place of measuring."""
    docs, found = tmp_path / "docs", tmp_path / "docs" / "results"
    found.mkdir(parents=True)
    (found / "published.yaml").write_text("{}")
    monkeypatch.setattr(cells, "RESULTS", found)
    monkeypatch.setattr(cells, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(page, "RESULTS", found)
    monkeypatch.setattr(page, "PAGE", docs / "results.md")
    monkeypatch.setattr(page, "FIGURES", docs / "figures")
    monkeypatch.setattr(results, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(jobs, "POLL", 0.01)
    fake = tmp_path / "fake.py"
    fake.write_text(FAKE)
    monkeypatch.setattr(results, "PROGRAM", (sys.executable, str(fake)))
    monkeypatch.setenv("FAKE_STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("FAKE_RESULTS", str(found))
    table = Table("Fake", (Column("score", "score"),), 2, ("a", "b"))
    monkeypatch.setitem(tables.TABLES, "fake", table)
    return docs


@pytest.fixture
def _sigterm() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    # A shell without job control starts `make test &` with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def started(tmp_path: Path) -> list[str]:
    return (tmp_path / "started").read_text().splitlines()


def finished(docs: Path) -> set[str]:
    return {path.name for path in (docs / "results" / "fake").iterdir()}


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["results.py", *words])
    return results.main()


def test_run_measures_what_is_missing_and_nothing_else(
    docs: Path, tmp_path: Path
) -> None:
    done = Cell("fake", "a", "fake", 1)
    cells.write(done, {"score": 5.0}, 1.0, "abc")
    before = done.path.read_bytes()
    assert results.run(["fake"], 1) == 0
    assert started(tmp_path) == ["a--fake--0", "b--fake--0", "b--fake--1"]
    assert done.path.read_bytes() == before
    assert "4 of 4 cells" in (docs / "results.md").read_text()
    assert results.run(["fake"], 1) == 0
    assert len(started(tmp_path)) == 3


def test_every_cell_has_one_core_and_its_own_log(tmp_path: Path) -> None:
    results.run(["fake"], 2)
    logs = [tmp_path / "runs" / "fake" / f"{name}.log" for name in NAMES]
    assert [log.read_text() for log in logs] == ["threads: 1\n"] * 4


def test_a_cell_that_fails_is_counted_and_the_others_are_measured(
    docs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_FAILURE", NAMES[1])
    assert main(monkeypatch, "run", "fake", "--jobs=2") == 1
    assert finished(docs) == {f"{name}.json" for name in NAMES if name != NAMES[1]}
    assert f"{NAMES[1]} failed" in capsys.readouterr().out
    assert "3 of 4 cells" in (docs / "results.md").read_text()


@pytest.mark.usefixtures("_sigterm")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_ends_its_cells_shows_the_rest_and_goes_on_later(
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
    assert finished(docs) == {f"{name}.json" for name in NAMES[:2]}
    assert "2 of 4 cells" in (docs / "results.md").read_text()
    assert not (tmp_path / "runs" / "fake" / "lock").exists()

    monkeypatch.delenv("FAKE_SIGNAL")
    assert results.run(["fake"], 1) == 0
    assert started(tmp_path) == [*NAMES[:3], *NAMES[2:]]
    assert finished(docs) == {f"{name}.json" for name in NAMES}


def test_a_cell_that_does_not_end_when_asked_is_killed(
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


@pytest.mark.usefixtures("_sigterm")
def test_a_table_is_measured_by_one_process_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with jobs.alone(tmp_path / "runs" / "fake" / "lock", "x"):
        assert main(monkeypatch, "run", "fake") == 2
    said = capsys.readouterr().err
    assert f"table fake is being measured by process {os.getpid()}" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "started").exists()
    assert results.run(["fake"], 2) == 0


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    lock = tmp_path / "runs" / "fake" / "lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(str(dead_pid()))
    assert results.run(["fake"], 2) == 0
    assert not lock.exists()


def test_a_lock_without_a_number_yet_is_respected(tmp_path: Path) -> None:
    lock = tmp_path / "runs" / "fake" / "lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(jobs.BusyError, match="by process unknown"):
        results.run(["fake"], 2)
    assert lock.exists()


@pytest.mark.usefixtures("_sigterm")
def test_two_jobs_at_most_unless_more_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def noted(_: object, at_once: int, __: str) -> int:
        asked.append(at_once)
        return 0

    monkeypatch.setattr(results, "run_all", noted)
    main(monkeypatch, "run", "fake")
    main(monkeypatch, "run", "fake", "--jobs=7")
    assert asked == [min(2, os.cpu_count() or 1), 7]
    with pytest.raises(SystemExit):
        main(monkeypatch, "run", "fake", "--jobs=0")
    assert "--jobs and --seeds must be at least 1" in capsys.readouterr().err


def test_a_measured_cell_has_exactly_the_keys_of_the_schema(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main(monkeypatch, "cell", "ring8", "real_data", "ring8", "3") == 0
    record = json.loads(Cell("ring8", "real_data", "ring8", 3).path.read_text())
    assert list(record) == KEYS
    assert (
        record["command"]
        == "python -m experiments.results cell ring8 real_data ring8 3"
    )
    assert record["metrics"]["modes"] == 8
    assert record["metrics"]["high_quality"] > 0.97
    assert record["seconds"] == 0
    assert record["peak_memory_bytes"] > 2**26
    assert "torch" in record["hardware"]


def test_every_committed_cell_has_the_schema(repository: Path) -> None:
    found = sorted((repository / "docs" / "results").glob("*/*.json"))
    assert found
    for path in found:
        record = json.loads(path.read_text())
        assert list(record) == KEYS
        cell = Cell(*(record[key] for key in ("table", "method", "task", "seed")))
        assert path.parts[-2:] == (cell.table, f"{cell.name}.json")
        assert cell in set(cells.cells(cell.table))
        columns = tables.TABLES[cell.table].columns
        wanted = {column.key for column in columns if column.everywhere}
        assert wanted <= set(record["metrics"])


def test_the_recorded_commit_is_the_one_that_the_measurement_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head = ["old"]

    def meanwhile_committed(_: Cell) -> tuple[dict[str, float], float]:
        head[0] = "new"
        return {"score": 1.0}, 2.0

    monkeypatch.setattr(measure, "commit", lambda: head[0])
    monkeypatch.setattr(measure, "_train", meanwhile_committed)
    cell = Cell("fake", "a", "fake", 0)
    measure.measure(cell)
    assert json.loads(cell.path.read_text())["commit"] == "old"


def test_an_interrupted_measurement_leaves_no_file(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    cell = Cell("fake", "a", "fake", 0)
    monkeypatch.setattr(measure, "_train", lambda _: ({"score": 1.0}, 2.0))
    measure.measure(cell)
    cell.path.unlink()
    monkeypatch.setattr(os, "fsync", interrupted)  # the bytes lie in a partial file
    with pytest.raises(KeyboardInterrupt):
        measure.measure(cell)
    assert finished(docs) == set()


def test_cells_of_one_method_and_seed_can_share_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = Table("F", (), 2, ("a", "b"), tuple("xyz"), together=2)
    monkeypatch.setitem(tables.TABLES, "fake", shared)
    measured = cells.RESULTS / "fake" / "a--y--0.json"
    measured.parent.mkdir(parents=True)
    measured.write_text("{}")
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


def test_methods_tasks_and_the_command_line_can_ask_for_other_numbers_of_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = Table("F", (), 2, ("a", "b"), ("x", "y"), other_seeds={"a": 3, "y": 1})
    monkeypatch.setitem(tables.TABLES, "fake", others)
    found = [cell.name for cell in cells.cells("fake")]
    assert sorted(found) == sorted(
        [f"a--{task}--{seed}" for task in "xy" for seed in range(3)]
        + ["b--x--0", "b--x--1", "b--y--0"]
    )
    assert len(list(cells.cells("fake", 4))) == 16


def test_a_cell_that_no_table_has_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "cell", "ring8", "gun", "ring8", "0") == 2
    assert capsys.readouterr().err == (
        "error: table ring8 has no cell gun--ring8--0.\n"
    )


def test_the_picture_is_the_last_step_of_the_latest_version(tmp_path: Path) -> None:
    cell = Cell("fake", "a", "fake", 0)
    assert cells.last_picture(cell) is None
    run = tmp_path / "runs" / "fake" / cell.name
    for name in ("version_10/900", "version_10/1000", "version_9/20000"):
        path = run / Path(name).parent / "pictures" / "samples" / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".png").touch()  # the newest file is not the last step
    picture = run / "version_10" / "pictures" / "samples" / "1000.png"
    assert cells.last_picture(cell) == picture
