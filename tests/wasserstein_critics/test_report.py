"""The subcommand ``report``."""

import json
from pathlib import Path

import pytest

from wasserstein_critics.__main__ import main


def run_folder(name: str) -> str:
    folder = Path(name)
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"command": name}))
    return name


def test_one_run_has_its_report_in_its_folder_and_several_have_one_here() -> None:
    first, second = run_folder("first"), run_folder("second")
    assert main(["report", first]) == 0
    assert "first" in Path("first/report.html").read_text()
    assert main(["report", first, second, "-o", "both.html"]) == 0
    assert main(["report", first, second]) == 0
    assert Path("both.html").read_text() == Path("report.html").read_text()


def test_a_mistake_ends_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "nowhere"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: 'nowhere' is not the folder of a run")
    assert said.count("\n") == 1
