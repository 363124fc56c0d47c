import pytest

from experiments.results import execute, tables
from experiments.results.runs import Run, finished_runs, table_file
from experiments.results.tables import Column, Table

pytestmark = pytest.mark.usefixtures("docs")


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table("Fake", (Column("score", "score"),), 2, ("a", "b"))
    monkeypatch.setitem(tables.TABLES, "fake", table)


def test_the_data_itself_is_evaluated_as_if_it_were_samples() -> None:
    run = Run("ring8", "real_data", "ring8", 3)
    execute.execute(run)
    (record,) = table_file("ring8").read()
    assert record["metrics"]["modes"] == 8
    assert record["metrics"]["high_quality"] > 0.97
    assert record["seconds"] == 0


def test_the_recorded_commit_is_the_one_that_the_run_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head = ["old"]

    def meanwhile_committed(_: Run) -> tuple[dict[str, float], float]:
        head[0] = "new"
        return {"score": 1.0}, 2.0

    monkeypatch.setattr(execute, "commit", lambda: head[0])
    monkeypatch.setattr(execute, "_train", meanwhile_committed)
    run = Run("fake", "a", "fake", 0)
    execute.execute(run)
    assert finished_runs("fake") == {run}
    assert table_file("fake").read()[0]["commit"] == "old"
