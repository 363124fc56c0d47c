"""Where the files of a run go."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import DummyLogger

from callbacks import run_directory
from callbacks.runs.run_directory import agreed_run_directory

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
