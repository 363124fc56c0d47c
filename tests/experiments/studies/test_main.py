"""The command line of the studies."""

import sys
from pathlib import Path

import pytest

from experiments import jobs
from experiments.jobs import BusyError, Job, alone
from experiments.studies import __main__ as command
from experiments.studies.files import STUDIES, run_study


def test_a_wrong_setting_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["study", "bulldozer", "--bind", "3", "--docs", str(tmp_path)])
    assert ended.value.code == 2
    assert "bind" in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--jobs", "0"], "--jobs: must be at least 1, got 0"),
        (["run", "two_bels"], "no study two_bels: choose from vanishing_gradients, "),
        (["study", "bulldozer", "--bins", "3"], "need --docs DIRECTORY"),
        (["page", "--fast"], "unknown arguments: --fast"),
    ],
)
def test_a_wrong_word_is_answered_in_one_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A theory page with one finished study, in the place of ours."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "theory.md").write_text("<!-- study: bulldozer -->\n<!-- end -->\n")
    run_study("bulldozer", ["--bins=12"], tmp_path)
    monkeypatch.setattr(command, "DOCS", tmp_path)
    monkeypatch.setattr(command, "LOGS", tmp_path / "logs")
    return tmp_path


def test_missing_studies_only(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(names: list[str], at_once: int) -> int:
        assert at_once >= 1
        asked.append(list(names))
        return 0

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(jobs, "exit_status", lambda work, _: work())
    everything = list(STUDIES)
    assert command.main(["run", "--missing"]) == 0
    (docs / "figures" / "bulldozer.png").unlink()  # killed between rows and figure
    assert command.main(["run", "--missing"]) == 0
    assert command.main(["run", "two_bells"]) == 0
    assert command.main(["run"]) == 0
    assert asked[0] == [name for name in everything if name != "bulldozer"]
    assert asked[1:] == [everything, ["two_bells"], everything]


def test_a_run_that_fails_is_counted_and_one_at_a_time_may_run(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def job(name: str) -> Job:
        return Job(name, (sys.executable, "-c", "raise SystemExit(3)"), docs / "log")

    monkeypatch.setattr(command, "_job", job)
    assert command.run(["two_bells"], 1) == 1
    assert "| yes |" in (docs / "theory.md").read_text()
    with alone(docs / "logs" / "lock", "x"), pytest.raises(BusyError, match="a study"):
        command.run(["two_bells"], 1)
