import json
from pathlib import Path

import pytest

from experiments.results import tables
from experiments.results.runs import (
    Run,
    finished_runs,
    last_sample_grid,
    planned_runs,
    run_of,
    table_file,
    write_record,
)
from experiments.results.tables import Table

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


@pytest.mark.usefixtures("docs")
def test_a_record_says_what_was_run_and_how() -> None:
    run = Run("ring8", "gan", "ring8", 3)
    write_record(run, {"b": 1, "a": 2.5}, 12.34, "abc+")
    (record,) = table_file("ring8").read()
    assert list(record) == KEYS
    assert list(record["metrics"].items()) == [("a", 2.5), ("b", 1.0)]
    assert record["command"] == "python -m experiments.results one ring8 gan ring8 3"
    assert (record["commit"], record["seconds"]) == ("abc+", 12.3)
    assert record["peak_memory_bytes"] > 2**26
    assert "torch" in record["hardware"]
    assert finished_runs("ring8") == {run}


def test_every_committed_record_has_the_schema(repository: Path) -> None:
    paths = sorted((repository / "docs" / "results").glob("*.jsonl"))
    assert len(paths) == len(tables.TABLES)
    for path in paths:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        runs = [run_of(record) for record in found]
        assert runs == sorted(set(runs), key=lambda r: (r.method, r.task, r.seed))
        assert set(runs) <= set(planned_runs(path.stem))
        columns = tables.TABLES[path.stem].columns
        required = {column.key for column in columns if column.everywhere}
        for run, record in zip(runs, found, strict=True):
            assert list(record) == KEYS
            assert record["command"] == run.command
            assert required <= set(record["metrics"])


def test_methods_tasks_and_the_command_line_can_ask_for_other_numbers_of_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = Table("F", (), 2, ("a", "b"), ("x", "y"), other_seeds={"a": 3, "y": 1})
    monkeypatch.setitem(tables.TABLES, "fake", others)
    found = [run.name for run in planned_runs("fake")]
    assert sorted(found) == sorted(
        [f"a--{task}--{seed}" for task in "xy" for seed in range(3)]
        + ["b--x--0", "b--x--1", "b--y--0"]
    )
    assert len(list(planned_runs("fake", 4))) == 16


@pytest.mark.usefixtures("docs")
def test_the_sample_grid_is_the_last_step_of_the_latest_version(tmp_path: Path) -> None:
    run = Run("fake", "a", "fake", 0)
    assert last_sample_grid(run) is None
    folder = tmp_path / "runs" / "fake" / run.name
    for name in ("version_10/900", "version_10/1000", "version_9/20000"):
        images = "images" if "10" in name else "pictures"  # as version 0.1 called it
        path = folder / Path(name).parent / images / "samples" / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".png").touch()  # the newest file is not the last step
    image = folder / "version_10" / "images" / "samples" / "1000.png"
    assert last_sample_grid(run) == image
