"""What callbacks share that write what ``predict`` gives as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.predictions.numbered_rows import NumberedRows, build_directory
from callbacks.runs.run_directory import agreed_run_directory
from lightning_modules.core.files import write_whole

if TYPE_CHECKING:
    import polars

TableFormat = Literal["csv", "parquet"]


class PredictionTable(Callback):
    """Writes ``predictions/<stem>.<format>`` of the rows that a subclass keeps.

    A subclass adds rows to ``rows`` at the end of each batch and makes a `table` of all
    of them. The directory appears when it is complete; an earlier one stays, and the
    new one is then ``predictions-1``. Several processes need a common file system.

    Polars does not survive a fork: in a notebook that has used it, several processes
    started by fork (``ddp_notebook``, ``ddp_fork``) would wait for ever.

    Args:
        format: How the table is written: the end of the file's name.
        dtype: Type in which rows are kept.

    Raises:
        ValueError: If the format is another.
    """

    stem: ClassVar[str]
    formats: ClassVar[tuple[str, ...]] = ("csv", "parquet")

    def __init__(self, format: str, dtype: torch.dtype = torch.float32) -> None:
        if format not in self.formats:
            known = " or ".join(self.formats)
            raise ValueError(f"format must be {known}, got '{format}'.")
        self.format = format
        self.rows = NumberedRows(dtype)

    def table(self, numbers: Tensor, rows: Tensor) -> "polars.DataFrame":
        """The table of rows (n, ...) and their numbers (n,), int64, rising."""
        raise NotImplementedError

    def write(self, numbers: Tensor, rows: Tensor, path: Path) -> None:
        """Write the file."""
        write_table(self.table(numbers, rows), path)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Forget an earlier prediction."""
        self.rows.clear()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Put the parts of all ranks together and write the table."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        name = f"{self.stem}.{self.format}"
        target = agreed_run_directory(trainer) / "predictions"
        joined = self.rows.join(trainer, target)
        if joined is not None:
            path = build_directory(target, lambda new: self.write(*joined, new / name))
            trainer.print(f"Wrote {path / name}")
        trainer.strategy.barrier(type(self).__name__)


def write_table(table: "polars.DataFrame", path: Path) -> Path:
    """Write a table as CSV or Parquet, by the file's name, whole or not at all."""
    csv = path.suffix == ".csv"
    write = table.write_csv if csv else table.write_parquet
    return write_whole(path, lambda file: write(file))
