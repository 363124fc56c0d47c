"""Prediction writer for a classifier: a table of labels."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.requirements import require_domains
from callbacks.predictions.prediction_table import (
    DataFrame,
    PredictionTable,
    TableFormat,
    data_frame,
)
from lightning_modules.core.files import readable

RowColumns = Mapping[str, Sequence[int | str]]
"""What is known of all rows, by the name of the column."""


class LabelTable(PredictionTable):
    """Writes predicted labels into ``predictions/`` in the run's directory.

    ``labels.csv`` or ``labels.parquet`` has a line for each row of the target's test
    set, in their order: ``row`` (its number), ``label`` (name of the likeliest class,
    an integer if all names are whole numbers, as which CSV would be read anyway)
    and the probabilities ``p_<class name>``, float32. What the data knows of its rows
    (``row_columns``) comes before ``label``: the ``file`` of an image, for instance.
    See `PredictionTable` for the directory, and for several processes.

    Args:
        format: ``csv`` or ``parquet``.

    Raises:
        ValueError: If the format is another, the data is not two domains, or a batch
            of ``predict`` does not begin with row numbers (n,), int64, and give n rows
            of probabilities.
    """

    stem: ClassVar[str] = "labels"

    def __init__(self, format: TableFormat = "csv") -> None:
        super().__init__(format)
        self._names: tuple[str, ...] = ()
        self._known: RowColumns = {}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "predict":
            data = require_domains(self, trainer)
            self._names, self._known = tuple(data.class_names), data.row_columns

    @override
    def keep(self, pl_module: LightningModule, outputs: Any, batch: Any) -> None:
        numbers, expected = batch[0], (len(batch[0]), len(self._names))
        shaped = isinstance(outputs, Tensor) and outputs.shape == expected
        if numbers.dtype != torch.int64 or not shaped:
            raise ValueError(
                "LabelTable needs predict batches (row numbers, samples) and "
                f"probabilities of shape {expected} for them, which "
                f"{type(pl_module).__name__} doesn't give: remove it from "
                "trainer.callbacks."
            )
        self.keep_finite("probabilities", numbers, outputs)

    @override
    def table(self, numbers: Tensor, rows: Tensor) -> DataFrame:
        return label_table(numbers, rows, self._names, self._known)


def label_table(
    numbers: Tensor,
    probabilities: Tensor,
    class_names: Sequence[str],
    known: RowColumns | None = None,
) -> DataFrame:
    """A table with a line for each row.

    Args:
        numbers: Row numbers (n,), int64.
        probabilities: Shape (n, k).
        class_names: k names.
        known: What is known of the rows that numbers point to; ``row`` takes the place
            of the numbers.

    >>> label_table(torch.tensor([7]), torch.tensor([[0.25, 0.75]]), ["a", "b"]).rows()
    [(7, 'b', 0.25, 0.75)]
    >>> one, p = torch.tensor([1]), torch.tensor([[0.25, 0.75]])
    >>> label_table(one, p, ["a", "b"], {"file": ["x.png", "y.png"]}).rows()
    [(1, 'y.png', 'b', 0.25, 0.75)]
    """
    class_names = [readable(name) for name in class_names]
    labels = [class_names[label] for label in probabilities.argmax(dim=1).tolist()]
    columns: dict[str, Any] = {"row": numbers.numpy()}
    for name, values in (known or {}).items():
        own = (values[number] for number in numbers.tolist())
        columns[name] = [readable(v) if isinstance(v, str) else v for v in own]
    columns["label"] = [*map(int, labels)] if _are_numbers(class_names) else labels
    shares = probabilities.float().T.numpy()
    columns |= {f"p_{name}": p for name, p in zip(class_names, shares, strict=True)}
    return data_frame(columns)


def _are_numbers(names: Sequence[str]) -> bool:
    """Whether names are whole numbers of 64 bits, written as Python writes them."""
    try:
        return all(str(np.int64(int(name))) == name for name in names)
    except (ValueError, OverflowError):
        return False
