"""Experiments on small data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import small_data
from tests.support.shipped import CONFIGS, config_of
from wasserstein_critics.cli import app

Words = Callable[..., list[str]]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All data sets, a few rows of each."""
    root = tmp_path_factory.mktemp("data")
    small_data.write_all(root)
    return root


@pytest.fixture
def words(files: Path) -> Words:
    """The command line of an experiment cut to two steps on small data."""

    def of(subcommand: str, path: Path, *options: str) -> list[str]:
        config = config_of(path)
        given = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
        given += small_data.options(config["data"]["class_path"], files)
        trainer = config["trainer"]
        if trainer.get("max_epochs", -1) != -1:
            given.append("--trainer.max_epochs=-1")
        if trainer.get("limit_train_batches") == 1:  # solved, by the first batch
            given += ["--trainer.max_epochs=1", "--trainer.val_check_interval=1.0"]
        if path.stem == "table":  # of the user's own
            given.append("--data.table=iris")
        if path.stem == "pretrained":  # nobody can download the weights here
            given += ["--model.extractor.weights=null", "--data.image_size=32"]
            given += ["--model.extractor.image_size=32"]
        if config["model"]["init_args"].get("warmup"):
            given.append("--model.warmup=false")  # 100 critic updates for each step
        files_read = [f"--config={path}", f"--config={CONFIGS / 'smoke.yaml'}"]
        return [subcommand, *files_read, *given, *options]

    return of


@pytest.fixture
def call(words: Words) -> Callable[..., int]:
    """Run a subcommand for an experiment; returns the exit code."""
    return lambda *arguments: app.main(words(*arguments))
