import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringModel

import lightning_modules
from callbacks import (
    RunConfig,
    run_directory,
    write_whole,
)
from callbacks.runs.run_config import _program, git_commit, provenance
from tests.support.trainers import LOGGING_TRAINER


class Fails(Callback):
    def on_fit_start(self, *_: Any) -> None:
        raise InterruptedError


def cli(*arguments: str, fail: bool = False) -> LightningCLI:
    words = ["train.py", "fit", "--trainer.max_steps=1", *arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        # Lightning 2.6 calls jsonargparse in a way that jsonargparse 5 renames.
        patch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        return LightningCLI(
            BoringModel,
            save_config_callback=RunConfig,
            trainer_defaults=LOGGING_TRAINER | {"callbacks": [Fails()] if fail else []},
        )


def test_the_resolved_config_lies_in_the_runs_own_directory() -> None:
    arguments = ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=logs"]
    for version in range(2):  # a second run in the same directory works
        run = cli(*arguments, f"--seed_everything={version}")
        directory = run_directory(run.trainer)
        assert directory.name == f"version_{version}"
        config = yaml.safe_load((directory / "config.yaml").read_text())
        assert config["seed_everything"] == version
        assert config["trainer"]["max_steps"] == 1
        assert "accumulate_grad_batches" in config["trainer"]  # defaults too
        facts = json.loads((directory / "run.json").read_text())
        assert facts["packages"]["torch"] == metadata.version("torch")
        found = (facts["processes"], facts["nodes"], facts["device"])
        assert found == (1, 1, "cpu")
    saver = next(c for c in run.trainer.callbacks if isinstance(c, RunConfig))  # type: ignore[attr-defined]
    assert saver.resolved == config


def test_an_earlier_config_in_the_same_directory_is_kept() -> None:
    for seed in (1, 2, 2, 3):
        cli("--trainer.logger=false", f"--seed_everything={seed}")
    seeds = {p.name: yaml.safe_load(p.read_text())["seed_everything"]
             for p in Path().glob("config*.yaml")}  # fmt: skip
    assert seeds == {"config.yaml": 3, "config-1.yaml": 1, "config-2.yaml": 2}


def test_a_run_that_fails_in_set_up_leaves_no_config() -> None:
    with pytest.raises(InterruptedError):
        cli("--trainer.logger=false", "--seed_everything=1", fail=True)
    assert not list(Path().glob("**/config.yaml"))


def test_the_commit_is_that_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@x"]
        command = ["git", *identity, "-C", str(tmp_path), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    code = write_whole(tmp_path / "__init__.py", "")
    monkeypatch.setattr(lightning_modules, "__file__", str(code))
    assert git_commit() is None  # no repository
    git("init")
    git("commit", "--allow-empty", "-m", "theirs")
    assert git_commit() is None  # untracked: somebody else's repository
    git("add", ".")
    git("commit", "-m", "ours")
    assert git_commit() == git("rev-parse", "HEAD") != ""
    assert provenance()["modified"] is False
    code.write_text("changed = True\n")
    assert provenance()["modified"] is True


def test_provenance_needs_neither_git_nor_installed_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("callbacks.runs.run_config.PACKAGES", ("no-such-package",))
    facts = provenance()
    assert facts["commit"] is facts["modified"] is None
    assert facts["packages"] == {"no-such-package": None}


@pytest.mark.parametrize(
    ("started", "words"),
    [
        ("train.py", ["train.py"]),
        ("/home/me/train.py", ["/home/me/train.py"]),
        ("/home/me/.venv/bin/wasserstein-critics", ["wasserstein-critics"]),
        ("/x/wasserstein_critics/__main__.py", ["python", "-m", "wasserstein_critics"]),
    ],
)
def test_the_command_can_be_repeated_elsewhere(started: str, words: list[str]) -> None:
    assert _program(Path(started)) == words
