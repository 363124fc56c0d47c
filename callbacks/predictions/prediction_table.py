"""Bases of prediction writers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.loggers import agreed_run_directory
from callbacks.predictions.numbered_rows import NumberedRows, build_directory
from lightning_modules.core.files import write_whole
from lightning_modules.core.validation import NotFiniteError, check_choice

if TYPE_CHECKING:
    from polars import DataFrame as DataFrame
else:
    DataFrame = Any  # polars comes with the first table, see `data_frame`

TableFormat = Literal["csv", "parquet"]


class PredictionWriter(Callback):
    """Writes predicted rows into ``predictions/`` in the run's directory.

    A subclass adds rows to ``rows`` in `keep`, and writes all of them in `fill`. The
    directory appears when it is complete; an earlier one stays, and the new one is then
    ``predictions-1``. Several processes need a common file system.

    Args:
        dtype: Type in which rows are kept.
    """

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self.rows = NumberedRows(dtype)

    @property
    def file_name(self) -> str:
        """The file that is written, or nothing where there are several."""
        return ""

    def keep(self, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        """Add the rows of a batch, or refuse them."""
        raise NotImplementedError

    def fill(self, directory: Path, numbers: Tensor, rows: Tensor) -> None:
        """Write rows (n, ...) and their numbers (n,), int64, rising; on rank 0."""
        raise NotImplementedError

    def keep_finite(self, what: str, numbers: Tensor, rows: Tensor) -> None:
        """Add rows (n, ...) that were predicted for these numbers (n,), int64.

        Raises:
            NotFiniteError: If one is not finite.
        """
        if not rows.isfinite().all():
            raise NotFiniteError(
                f"Predicted {what} hold NaN or infinity: predict with weights from "
                "before training diverged."
            )
        self.rows.add(numbers, rows)

    @override
    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows.clear()

    @override
    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any,
        *_: Any,
    ) -> None:  # fmt: skip
        self.keep(pl_module, outputs, batch)

    @override
    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the parts of all ranks together and write them."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        target = agreed_run_directory(trainer) / "predictions"
        joined = self.rows.join(trainer, target)
        if joined is not None:
            path = build_directory(target, lambda new: self.fill(new, *joined))
            trainer.print(f"Wrote {path / self.file_name}{self._others(path)}")
        trainer.strategy.barrier(type(self).__name__)

    def _others(self, path: Path) -> str:
        """What stands in the folder, where that is more than one file."""
        return "" if self.file_name else f": {', '.join(map(_counted, _listed(path)))}"


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _counted(path: Path) -> str:
    """A file's name, or a folder's with the number of its files."""
    if not path.is_dir():
        return path.name
    return f"{path.name}/ ({len(_listed(path)):,} files)"


class PredictionTable(PredictionWriter):
    """Writes ``predictions/<stem>.<format>``; a subclass makes the `table`.

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
        check_choice("format", format, self.formats)
        super().__init__(dtype)
        self.format = format

    @property
    @override
    def file_name(self) -> str:
        return f"{self.stem}.{self.format}"

    def table(self, numbers: Tensor, rows: Tensor) -> DataFrame:
        """The table of rows (n, ...) and their numbers (n,), int64, rising."""
        raise NotImplementedError

    @override
    def fill(self, directory: Path, numbers: Tensor, rows: Tensor) -> None:
        write_table(self.table(numbers, rows), directory / self.file_name)


def data_frame(columns: Mapping[str, Any]) -> DataFrame:
    """A table of columns (n,)."""
    import polars  # here, because its threads don't survive a fork

    return polars.DataFrame(columns)


def write_table(table: DataFrame, path: Path) -> Path:
    """Write a table as CSV or Parquet, by the file's name, whole or not at all."""
    csv = path.suffix == ".csv"
    write = table.write_csv if csv else table.write_parquet
    return write_whole(path, lambda file: write(file))
