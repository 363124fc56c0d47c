import subprocess
from pathlib import Path

import pytest

from experiments import records
from experiments.results import page, runs
from experiments.results.runs import Run, write_record
from experiments.results.tables import TABLES, Column, Table

COLUMNS = (Column("score", "score"), Column("share", "share, %", "{:.1f}", 100.0))
PUBLISHED = """
one:
  - {name: Oracle, metrics: {score: 9 ± 1}, source: "Someone 2020", recalled: true}
  - {name: Table, metrics: {share: "7"}, source: "Other 2021", recalled: false}
many:
  - {name: Known, task: y, metrics: {score: "3"}, source: S, recalled: false}
  - {name: Vague, metrics: {score: "4"}, source: S, recalled: false}
"""


@pytest.fixture(autouse=True)
def _tables(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with one task and one with two, without any record."""
    tables = {
        "one": Table("One", COLUMNS, 4, ("a", "b")),
        "many": Table("Many", COLUMNS, 2, ("a", "b"), ("x", "y")),
    }
    monkeypatch.setattr(runs, "TABLES", tables)
    monkeypatch.setattr(page, "TABLES", tables)
    (docs / "results" / "published.yaml").write_text(PUBLISHED)


def finished(run: Run, score: float, commit: str = "abc") -> None:
    write_record(run, {"score": score, "share": score / 10}, 10 * score, commit)


def rows(docs: Path, title: str) -> list[list[str]]:
    """The texts in the rows of the table below a title."""
    page.write_page()
    section = (docs / "results.md").read_text().split(f"## {title}\n")[1]
    lines = section.split("\n## ")[0].splitlines()
    return [line[2:-2].split(" | ") for line in lines if line.startswith("| ")]


def test_rows_are_mean_deviation_and_standard_error_over_seeds(docs: Path) -> None:
    for seed, score in enumerate((1.0, 2.0, 3.0, 6.0)):
        finished(Run("one", "a", "one", seed), score)
    row = next(row for row in rows(docs, "One") if row[0] == "a")
    # deviations from 3: -2, -1, 0, 3; their squares over 3 make 14/3
    assert row[1] == "3.00 ± 2.16 (s.e. 1.08)"
    assert row[2] == "30.0 ± 21.6 (s.e. 10.8)"
    assert row[3:5] == ["4", "30 s"]


def test_one_seed_has_no_deviation_and_no_seed_says_so(docs: Path) -> None:
    finished(Run("one", "a", "one", 2), 5.0)
    a, b = rows(docs, "One")[-2:]
    assert a[:5] == ["a", "5.00", "50.0", "1", "50 s"]
    assert b == ["b", "not run yet", "not run yet", "0", "-", "-"]
    text = (docs / "results.md").read_text()
    assert "1 of 8 runs finished" in text
    assert "Metrics of every seed: a 2: 5.00/50.0." in text
    assert "Configs: `configs/a/one.yaml`, `configs/b/one.yaml`." in text


def test_published_rows_name_their_source_and_whether_it_was_recalled(
    docs: Path,
) -> None:
    heading, oracle, table, *_ = rows(docs, "One")
    assert heading == ["method", "score", "share, %", "seeds", "time", "memory"]
    assert oracle == ["*Oracle* (published)", "9 ± 1", "-", "-", "-", "-"]
    assert table == ["*Table* (published)", "-", "7", "-", "-", "-"]
    assert (
        "Published rows: *Oracle*: Someone 2020, quoted from memory; "
        "*Table*: Other 2021.\n"
    ) in (docs / "results.md").read_text()


def test_a_table_of_several_tasks_has_a_row_for_each_method_and_task(
    docs: Path,
) -> None:
    for task, score in (("x", 1.0), ("y", 4.0)):
        for seed in (0, 1):
            finished(Run("many", "a", task, seed), score + 2 * seed)
    found = rows(docs, "Many")
    assert found[0][:3] == ["method", "task", "score"]
    assert all(len(row) == len(found[0]) for row in found)
    assert [row[:3] for row in found[1:]] == [
        ["*Known* (published)", "y", "3"],
        ["*Vague* (published)", "-", "4"],
        ["a", "x", "2.00 ± 1.41 (s.e. 1.00)"],
        ["b", "x", "not run yet"],
        ["a", "y", "5.00 ± 1.41 (s.e. 1.00)"],
        ["b", "y", "not run yet"],
    ]
    text = (docs / "results.md").read_text()
    assert (
        "Configs: `configs/a/x.yaml`, `configs/b/x.yaml`, `configs/a/y.yaml`, "
        "`configs/b/y.yaml`."
    ) in text
    assert "a x 0: 1.00/10.0; a y 0: 4.00/40.0; a x 1: 3.00/30.0; " in text


def test_records_without_their_users_are_not_finished(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command below the table would run them again."""
    tables = {"one": Table("One", COLUMNS, 4, ("a", "b"), by_user=True)}
    monkeypatch.setattr(runs, "TABLES", tables)
    monkeypatch.setattr(page, "TABLES", tables)
    finished(Run("one", "a", "one", 2), 5.0)
    rows(docs, "One")
    text = (docs / "results.md").read_text()
    assert "0 of 8 runs finished, 1 without their users. Command:" in text


def test_every_commit_that_made_a_record_is_named(docs: Path) -> None:
    finished(Run("one", "a", "one", 0), 1.0, "def+")
    finished(Run("one", "b", "one", 0), 1.0, "abc")
    rows(docs, "One")
    assert "Commit: abc, def+." in (docs / "results.md").read_text()


def test_sample_grids_of_seed_0_are_copied_for_each_task(
    docs: Path, tmp_path: Path
) -> None:
    for task in ("x", "y"):
        run = Run("many", "a", task, 0)
        finished(run, 1.0)
        samples = tmp_path / "runs/many" / run.name / "version_0/images/samples"
        samples.mkdir(parents=True)
        (samples / "10.png").write_text(task)
    page.write_page()
    assert (docs / "figures" / "many-a-x.png").read_text() == "x"
    assert (docs / "figures" / "many-a-y.png").read_text() == "y"
    text = (docs / "results.md").read_text()
    assert "a x, seed 0: ![samples](figures/many-a-x.png)" in text
    assert "b x, seed 0" not in text


def test_two_gaussians_keep_the_case_of_their_command(docs: Path) -> None:
    assert "Not run yet" in page.page_text()
    (docs / "figures").mkdir()
    (docs / "figures" / "two_gaussians.csv").write_text(
        "# command: python -m experiments.studies run --docs /Home/Docs\n"
        "# commit: abc\n"
        "method,estimate\nwgan,0.123456\n"
    )
    text = page.page_text()
    assert "Command: python -m experiments.studies run --docs /Home/Docs. " in text
    assert "| method | estimate |\n|---|---|\n| wgan | 0.1235 |" in text


def test_the_committed_page_is_the_one_that_its_records_make(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = committed_docs(repository, tmp_path)
    monkeypatch.setattr(records, "RESULTS", docs / "results")
    monkeypatch.setattr(records, "RUNS", tmp_path / "no-runs")
    monkeypatch.setattr(runs, "TABLES", TABLES)
    monkeypatch.setattr(page, "TABLES", TABLES)
    stale = "run `python -m experiments.results page` and stage docs"
    assert page.page_text() == (docs / "results.md").read_text(), stale


def committed_docs(repository: Path, directory: Path) -> Path:
    """docs as it is staged: runs under way add records to the checkout."""
    if not (repository / ".git").exists():  # a source archive
        return repository / "docs"
    git = ["git", "-C", str(repository)]
    names = subprocess.run(
        [*git, "ls-files", "-z", "docs"], capture_output=True, check=True
    )
    subprocess.run(
        [*git, "checkout-index", "-z", "--stdin", f"--prefix={directory}/staged/"],
        input=names.stdout,
        check=True,
    )
    return directory / "staged" / "docs"
