"""What is measured on a device is kept part by part, and gone on with."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import device_session
from benchmarks.comparison import Row
from benchmarks.device_session import checked, clock, session
from experiments import records
from wasserstein_critics.cli import app


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the parts that were run, of two that a session has."""
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs" / "results")
    ran: list[str] = []

    def part(name: str) -> device_session.Part:
        def run() -> list[Row]:
            ran.append(name)
            return [{"case": name}]

        return run

    names = ("first", "second")
    monkeypatch.setattr(
        device_session, "parts", lambda *_: [(name, part(name)) for name in names]
    )
    return ran


def test_without_a_device_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert session("cuda", 1, 2) == [{"state": "not run: no CUDA device"}]


def test_a_part_that_is_kept_is_not_run_again(parts: list[str]) -> None:
    rows = session("cpu", 0.1, 2)
    assert session("cpu", 0.1, 2) == rows == [{"case": "first"}, {"case": "second"}]
    assert parts == ["first", "second"]


def test_no_part_begins_when_the_minutes_are_over(
    parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert session("cpu", 0, 2) == []
    assert parts == []
    assert "first: no time is left; call again" in capsys.readouterr().out


def test_a_check_that_fails_leaves_the_others_their_time() -> None:
    def fails(device: str) -> str:
        raise RuntimeError(f"no {device}\n at all")

    (row,) = checked("cpu", "one", fails)
    assert row == {
        "case": "check: one",
        "state": "**fails**: RuntimeError: no cpu at all",
    }


def test_the_training_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs" / "results")
    calls: list[list[str]] = []

    def main(words: list[str]) -> int:
        run = tmp_path / "runs/accelerator/wgan_gp-digits/version_0"
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        timer = {"Timer": {"time_elapsed": {"train": 61.5}}}
        torch.save({"callbacks": timer}, run / "checkpoints/last.ckpt")
        (run / "run.json").write_text(json.dumps({"last_step": 1234}))
        (run / "metrics.csv").write_text("step,val/sliced_wasserstein\n9,0.25\n")
        calls.append(words)
        return 0

    monkeypatch.setattr(app, "main", main)
    (row,) = device_session.trained("cpu", 60.0)
    device_session.trained("cpu", 60.0)
    assert row["variant"] == "1,234 generator updates"
    assert row["val/sliced_wasserstein"] == "0.2500 at step 9"
    assert f"--trainer.max_time={clock(60)}" in calls[0]
    assert f"--trainer.max_time={clock(121)}" in calls[1]
    assert calls[1][-1].startswith("--ckpt_path=")
