"""Prediction writer for a learnt metric: the embedded rows."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from typing_extensions import override

from callbacks.predictions.prediction_table import (
    DataFrame,
    PredictionTable,
    data_frame,
)
from lightning_modules.core.files import write_whole
from lightning_modules.data_contracts.contracts import NumberedBatch


class PointTable(PredictionTable):
    """Writes the embedded rows into ``predictions/`` in the run's directory.

    ``points.parquet`` or ``points.csv`` has a line for each row: ``row`` (its number in
    the data, rising) and the coordinates ``z_0``, ``z_1``, ..., float32. ``points.npz``
    has ``rows`` int64 (n,) and ``points`` float32 (n, d).
    See `PredictionTable` for the directory, and for several processes.

    Args:
        format: ``parquet``, ``csv`` or ``npz``.

    Raises:
        ValueError: If the format is another, or a batch of ``predict`` does not hold
            row numbers int64 (n,) or gives no points (n, d).
    """

    stem: ClassVar[str] = "points"
    formats: ClassVar[tuple[str, ...]] = ("csv", "parquet", "npz")

    def __init__(self, format: Literal["csv", "parquet", "npz"] = "parquet") -> None:
        super().__init__(format)

    @override
    def keep(self, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        numbers = _row_numbers(batch)
        shape = outputs.shape[:-1] if isinstance(outputs, Tensor) else None
        if numbers is None or numbers.shape != shape:
            raise ValueError(
                "PointTable needs predict batches (samples, row numbers) and points "
                f"(n, d) for them, which {type(pl_module).__name__} with this data "
                "doesn't give: remove it from trainer.callbacks."
            )
        self.keep_finite("points", numbers, outputs)

    @override
    def table(self, numbers: Tensor, rows: Tensor) -> DataFrame:
        """A line for each row.

        >>> PointTable().table(torch.tensor([7]), torch.tensor([[0.25, 0.75]])).rows()
        [(7, 0.25, 0.75)]
        """
        columns = {f"z_{i}": column.numpy() for i, column in enumerate(rows.T)}
        return data_frame({"row": numbers.numpy(), **columns})

    @override
    def fill(self, directory: Path, numbers: Tensor, rows: Tensor) -> None:
        if self.format != "npz":
            super().fill(directory, numbers, rows)
            return
        path, points = directory / self.file_name, rows.numpy()
        array = numbers.numpy()
        write_whole(path, lambda file: np.savez(file, rows=array, points=points))


def _row_numbers(batch: Any) -> Tensor | None:
    """Row numbers int64 (n,) of a `NumberedBatch`, or of a pair (samples, numbers)."""
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        return None
    numbers = batch.rows if isinstance(batch, NumberedBatch) else batch[1]
    numbered = isinstance(numbers, Tensor) and numbers.dtype == torch.int64
    return numbers if numbered and numbers.ndim == 1 else None
