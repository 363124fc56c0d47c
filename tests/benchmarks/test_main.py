"""`python -m benchmarks`: its register, and what it keeps."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import page
from experiments import records


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(command, "write_results_page", lambda: None)
    return tmp_path


def test_a_benchmark_is_kept_and_shown(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"case": "sum", "ratio": "1.00"}, {"case": "product", "share": "80%"}]
    monkeypatch.setitem(command.BENCHMARKS, "work", lambda _: rows)
    command.main(["work", "--rounds", "3"])
    (line,) = (docs / "performance" / "benchmarks.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert (record["name"], record["rows"]) == ("work", rows)
    assert record["command"] == "python -m benchmarks work --rounds 3"
    text = (docs / "performance.md").read_text()
    assert "| case | ratio | share |\n|---|---|---|\n| sum | 1.00 |  |" in text
    assert f"commit {record['commit']}; {record['hardware']}" in text
    assert text.count("Not run yet.") == len(command.BENCHMARKS) - 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["speed"], "unknown NAME speed: choose from training, reference"),
        (["work", "--rounds", "1"], "--rounds: must be at least 2, got 1"),
    ],
)
def test_what_is_not_known_is_refused(
    words: list[str], sentence: str, docs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main(words)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not list(docs.iterdir())


def test_every_benchmark_has_a_section() -> None:
    assert list(page.SECTIONS) == list(command.BENCHMARKS)


def test_the_committed_page_is_the_one_that_its_records_make(repository: Path) -> None:
    assert page.page_text() == (repository / "docs/performance.md").read_text()


def test_a_table_is_kept_as_csv_with_its_provenance(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"index": "flat", "recall": "1.0000"}]
    monkeypatch.setitem(command.TABLES, "index_speed", lambda _: rows)
    command.main(["index_speed"])
    first, *_, heading, row = (
        (docs / "results/index_speed.csv").read_text().splitlines()
    )
    assert first == "# command: python -m benchmarks index_speed --rounds 5"
    assert (heading, row) == ("index,recall", "flat,1.0000")
