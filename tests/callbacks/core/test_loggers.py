"""Numbers and media reach the loggers that can show them, files the run's directory."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger

from callbacks import run_directory
from callbacks.core.loggers import agreed_run_directory, log_media, log_scalars


def trainer(*loggers: Logger) -> Trainer:
    return Trainer(accelerator="cpu", logger=list(loggers) or False)


def test_numbers_reach_every_logger_and_the_callback_metrics(tmp_path: Path) -> None:
    loggers = [CSVLogger(tmp_path, name) for name in "ab"]
    run = trainer(*loggers)
    log_scalars(run, {"x": torch.tensor(0.5), "y": 2.0})
    for logger in loggers:
        logger.save()
        with (Path(logger.log_dir) / "metrics.csv").open() as file:
            (row,) = csv.DictReader(file)
        assert (row["step"], row["x"], row["y"]) == ("0", "0.5", "2.0")
    assert run.callback_metrics == {"x": torch.tensor(0.5), "y": torch.tensor(2.0)}


@pytest.mark.parametrize("with_board", [False, True])
@pytest.mark.parametrize("with_files", [False, True])
def test_media_go_to_the_loggers_that_show_them_and_to_files_unless_they_are_alone(
    tmp_path: Path, with_board: bool, with_files: bool
) -> None:
    board, files = TensorBoardLogger(tmp_path), CSVLogger(tmp_path)
    loggers: list[Logger] = [*[board] * with_board, *[files] * with_files]
    shown: list[object] = []
    alone = with_board and not with_files
    assert log_media(trainer(*loggers), print, shown.append) is alone
    assert shown == [board] * with_board


QUIET: dict[str, Any] = {
    "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False,
    "enable_checkpointing": False, "log_every_n_steps": 1, "limit_val_batches": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("logger", "expected"),
    [
        (lambda: CSVLogger("logs", "csv"), "logs/csv/version_0"),
        (lambda: CSVLogger("logs", "csv", "mine"), "logs/csv/mine"),
        (lambda: TensorBoardLogger("logs", "tb"), "logs/tb/version_0"),
        (lambda: WandbLogger("p", "logs", version="1a2b", project="p"), "logs/p/1a2b"),
        (lambda: [CSVLogger("a", "b"), CSVLogger("c")], "a/b/version_0"),
        (lambda: DummyLogger(), "root"),
        (lambda: WandbLogger("p", "logs", project="p"), "logs/p"),  # no id yet
        (lambda: False, "root"),
    ],
)
def test_a_run_has_the_directory_of_its_first_logger(
    logger: Any, expected: str
) -> None:
    trainer = Trainer(logger=logger(), default_root_dir="root", **QUIET)
    assert run_directory(trainer) == agreed_run_directory(trainer)
    assert run_directory(trainer).resolve() == Path(expected).resolve()


def test_all_ranks_agree_on_the_directory_of_rank_0(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = Trainer(logger=False, **QUIET)
    monkeypatch.setattr(trainer.strategy, "broadcast", lambda _: "of rank 0")
    assert agreed_run_directory(trainer) == Path("of rank 0")
