"""Numbers and media reach the loggers that can show them."""

import csv
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from callbacks.core.loggers import log_media, log_scalars


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
def test_media_go_to_the_loggers_that_show_them(
    tmp_path: Path, with_board: bool
) -> None:
    board = TensorBoardLogger(tmp_path)
    loggers: list[Logger] = [CSVLogger(tmp_path), *([board] if with_board else [])]
    shown: list[object] = []
    assert log_media(trainer(*loggers), print, shown.append) is with_board
    assert shown == [board] * with_board
