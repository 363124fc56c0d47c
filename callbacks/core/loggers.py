"""Where results go: numbers, images and tables to loggers, files to a directory."""

import csv
import io
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from lightning_modules.core.files import write_whole
from lightning_modules.core.lightning_internals import real_loggers


@runtime_checkable
class KnowsRunFolder(Protocol):
    """A callback that was told where everything about the run belongs, or None."""

    run_folder: Path | None


def log_scalars(trainer: Trainer, values: Mapping[str, Tensor | float]) -> None:
    """Send numbers to every logger at the current step.

    ``LightningModule.log`` reaches the loggers only on batches that
    ``log_every_n_steps`` picks, so what a callback measures on other steps would be
    lost. The numbers are put into ``trainer.callback_metrics`` as well, for scripts.
    """
    numbers = {name: float(value) for name, value in values.items()}
    for logger in trainer.loggers:
        logger.log_metrics(numbers, step=trainer.global_step)
    trainer.callback_metrics.update({k: torch.tensor(v) for k, v in numbers.items()})


def log_media(
    trainer: Trainer,
    to_wandb: Callable[[WandbLogger], object],
    to_tensorboard: Callable[[TensorBoardLogger], object],
) -> bool:
    """Send something to every logger that can show more than numbers.

    Returns:
        Whether there was such a logger and none that writes files; if not, the caller
        writes one.
    """
    shown = False
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            to_wandb(logger)
        elif isinstance(logger, TensorBoardLogger):
            to_tensorboard(logger)
        else:
            continue
        shown = True
    return shown and csv_file(trainer) is None


def run_directory(trainer: Trainer) -> Path:
    """The run's own directory.

    The command line chooses one and tells `RunConfig`. Elsewhere it is
    ``save_dir/name/version`` of the first logger, where Lightning puts
    ``checkpoints/`` too, or ``trainer.default_root_dir`` without one. Only rank 0's
    answer counts, because the loggers of other ranks may be a version ahead or know
    none; to write on several ranks ask `agreed_run_directory`.

    Returns:
        The path; nothing is created.

    >>> run_directory(Trainer(logger=False, default_root_dir="runs")).name
    'runs'
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, KnowsRunFolder) and callback.run_folder is not None:
            return callback.run_folder
    loggers = real_loggers(trainer)
    if not loggers:
        return Path(trainer.default_root_dir)
    name, version = loggers[0].name, loggers[0].version
    root = Path(loggers[0].save_dir or trainer.default_root_dir, name or "")
    if version is None:
        return root
    return root / (version if isinstance(version, str) else f"version_{version}")


def agreed_run_directory(trainer: Trainer) -> Path:
    """What `run_directory` says on rank 0, told to all; call it on every rank."""
    return Path(trainer.strategy.broadcast(str(run_directory(trainer))))


# metrics.csv of a run that goes on ----------------------------------------------------


def csv_file(trainer: Trainer) -> tuple[CSVLogger, Path] | None:
    """The logger that writes the run's ``metrics.csv``, and the file."""
    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger):
            return logger, Path(logger.log_dir, "metrics.csv")
    return None


def open_to_append(trainer: Trainer) -> None:
    """Let the run's ``metrics.csv`` be continued; Lightning would delete it.

    It would warn, too, of what other loggers have in the folder by then.
    """
    found = csv_file(trainer)
    if found is None:
        return
    logger, path = found
    kept = path.with_name(".metrics.csv.kept")
    if path.is_file():
        path.rename(kept)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*Experiment logs directory")
            writer = logger.experiment
    finally:
        if kept.is_file():  # also after a kill at this very point
            kept.rename(path)
    if path.is_file():
        with path.open(newline="") as file:
            writer.metrics_keys = next(csv.reader(file), [])


def rows_logged(trainer: Trainer) -> int | None:
    """Rows of ``metrics.csv`` until now, written or about to be; None without one."""
    found = csv_file(trainer)
    if found is None:
        return None
    logger, path = found
    written = 0
    if path.is_file():
        with path.open(newline="") as file:
            written = sum(1 for _ in csv.DictReader(file))
    return written + len(logger.experiment.metrics)


def keep_rows_until(path: Path, step: int, n_rows: int | None, apart: Path) -> None:
    """Move rows of ``metrics.csv`` that are later than a checkpoint to another file.

    Args:
        path: The file; nothing happens if there is none.
        step: Step of the checkpoint.
        n_rows: Rows there were when it was written, where that is known.
        apart: File for the others, written only if there are some.
    """
    if not path.is_file():
        return
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows, names = list(reader), list(reader.fieldnames or [])
    parts: dict[bool, list[Any]] = {True: [], False: []}
    for i, row in enumerate(rows):
        known = 0 <= _step_of(row) <= step
        parts[known if n_rows is None else i < n_rows].append(row)
    if parts[False]:
        write_whole(apart, _table(names, parts[False]))
        write_whole(path, _table(names, parts[True]))


def _step_of(row: Mapping[str, str | None]) -> int:
    """Its step, or -1 for a row that a kill has cut off."""
    step = row.get("step") or ""
    return int(step) if step.isdigit() else -1


def _table(names: list[str], rows: Iterable[Mapping[str, str | None]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
