import multiprocessing
import os
from pathlib import Path

import pytest

from experiments.records import Record, RecordFile, csv_rows, measured_rows


def add_all(folder: Path, worker: int) -> None:
    """What a process does that finishes with others."""
    file = RecordFile(folder / "docs/table.jsonl", folder / "runs", ("worker", "i"))
    for i in range(20):
        file.add({"worker": worker, "i": i})


@pytest.fixture
def file(tmp_path: Path) -> RecordFile:
    return RecordFile(
        tmp_path / "docs" / "t.jsonl", tmp_path / "runs", ("name", "seed")
    )


def record(name: str, seed: int, score: float = 0.0) -> Record:
    return {"name": name, "seed": seed, "score": score}


def test_records_are_lines_in_an_order_that_does_not_depend_on_when_they_came(
    file: RecordFile,
) -> None:
    for one in (record("b", 0), record("a", 10), record("a", 2)):
        file.add(one)
    assert file.read() == [record("a", 2), record("a", 10), record("b", 0)]
    before = file.path.read_text().splitlines()
    file.add(record("a", 7))
    lines = file.path.read_text().splitlines()
    assert [line for line in lines if line in before] == before
    assert len(lines) == 4


def test_a_record_takes_the_place_of_an_older_one_of_its_run(file: RecordFile) -> None:
    for score in (1.0, 2.0):
        file.add(record("a", 0, score))
    assert file.read() == [record("a", 0, 2.0)]


def test_a_deleted_line_stays_deleted(file: RecordFile) -> None:
    file.add(record("a", 0))
    file.path.write_text("\n")
    file.merge()
    file.add(record("b", 0))
    assert file.read() == [record("b", 0)]


def test_a_record_that_nobody_merged_is_merged_later(file: RecordFile) -> None:
    file.unmerged.mkdir()
    (file.unmerged / "a--0.json").write_text('{"name": "a", "seed": 0}')
    assert file.read() == []
    file.merge()
    assert file.read() == [{"name": "a", "seed": 0}]
    assert not list(file.unmerged.glob("*.json"))


def test_an_interrupted_write_leaves_nothing_behind(
    file: RecordFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    file.add(record("a", 0))
    monkeypatch.setattr(os, "fsync", interrupted)  # the bytes lie in a partial file
    with pytest.raises(KeyboardInterrupt):
        file.add(record("b", 0))
    monkeypatch.undo()
    file.merge()
    assert file.read() == [record("a", 0)]


def test_processes_that_finish_at_once_lose_nothing(
    tmp_path: Path,
) -> None:
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=add_all, args=(tmp_path, i)) for i in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    file = RecordFile(tmp_path / "docs/table.jsonl", tmp_path, ("worker", "i"))
    assert file.read() == [
        {"worker": worker, "i": i} for worker in range(3) for i in range(20)
    ]


def test_only_missing_rows_are_measured_and_each_is_kept(tmp_path: Path) -> None:
    path, asked = tmp_path / "rows.csv", []

    def measure(name: str, seed: int) -> dict[str, object]:
        asked.append((name, seed))
        return {"name": name, "seed": seed, "value": seed / 2}

    wanted = [("a", 0), ("a", 1), ("b", 0)]
    rows = measured_rows(path, ("name", "seed"), wanted, measure)
    assert next(rows)["value"] == 0
    assert [row["seed"] for row in csv_rows(path.read_text())] == ["0"]
    rest = measured_rows(path, ("name", "seed"), wanted, measure)
    assert [row["name"] for row in rest] == ["a", "b"]
    assert asked == wanted
    assert len(csv_rows(path.read_text())) == 3
