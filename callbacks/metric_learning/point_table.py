"""What ``predict`` leaves behind of a learnt metric: the rows as points."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from callbacks.predictions.prediction_table import PredictionTable
from lightning_modules.core.files import write_whole

if TYPE_CHECKING:
    import polars


class PointTable(PredictionTable):
    """Writes where rows are mapped to, into ``predictions/`` in the run's directory.

    ``points.parquet`` or ``points.csv`` has a line for each row: ``row`` (its number in
    the data, rising) and the coordinates ``z_0``, ``z_1``, ..., float32. ``points.npz``
    has ``rows`` int64 (n,) and ``points`` float32 (n, d).
    See `PredictionTable` for the directory, and for several processes.

    Args:
        format: ``parquet``, ``csv`` or ``npz``.

    Raises:
        ValueError: If the format is another, or a batch of ``predict`` is not (samples,
            row numbers int64 (n,)) and gives points (n, d).
    """

    stem: ClassVar[str] = "points"
    formats: ClassVar[tuple[str, ...]] = ("csv", "parquet", "npz")

    def __init__(self, format: Literal["csv", "parquet", "npz"] = "parquet") -> None:
        super().__init__(format)

    def on_predict_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Keep the points of a batch with their row numbers."""
        numbers = _row_numbers(batch)
        n = getattr(outputs, "shape", ())[:-1]
        if numbers is None or numbers.shape != n:
            raise ValueError(
                "PointTable needs predict batches (samples, row numbers) and points "
                f"(n, d) for them, which {type(pl_module).__name__} with this data "
                "doesn't give: take it out of trainer.callbacks."
            )
        if not outputs.isfinite().all():
            raise ValueError(
                "Predicted points hold NaN or infinity: predict with weights from "
                "before training diverged."
            )
        self.rows.add(numbers, outputs)

    def table(self, numbers: Tensor, rows: Tensor) -> "polars.DataFrame":
        """A line for each row."""
        return point_table(numbers, rows)

    def write(self, numbers: Tensor, rows: Tensor, path: Path) -> None:
        """Write the file."""
        if self.format != "npz":
            super().write(numbers, rows, path)
            return
        held, points = numbers.numpy(), rows.numpy()
        write_whole(path, lambda file: np.savez(file, rows=held, points=points))


def _row_numbers(batch: Any) -> Tensor | None:
    """The second part of a batch, if it is numbers of rows (n,)."""
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        return None
    found = batch[1]
    numbered = isinstance(found, Tensor) and found.dtype == torch.int64
    return found if numbered and found.ndim == 1 else None


def point_table(numbers: Tensor, points: Tensor) -> "polars.DataFrame":
    """A table with a line for each row.

    Args:
        numbers: Row numbers (n,), int64.
        points: Shape (n, d).

    >>> point_table(torch.tensor([7]), torch.tensor([[0.25, 0.75]])).rows()
    [(7, 0.25, 0.75)]
    """
    import polars  # here, because its threads don't survive a fork

    columns = {f"z_{i}": column.numpy() for i, column in enumerate(points.T)}
    return polars.DataFrame({"row": numbers.numpy(), **columns})
