"""Confusion matrix on the target test set."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix
from typing_extensions import override

from callbacks.core.every_n_steps import steps_made
from callbacks.core.requirements import require_domains
from callbacks.plotting.feature_plots import short_names
from callbacks.plotting.images import Pixels, log_picture
from callbacks.plotting.plots import new_figure, rasterise, subject
from lightning_modules.adaptation.evaluation import TARGET
from lightning_modules.core.lightning_internals import is_fitting

ALL_NUMBERS, SHARES = 12, 25  # classes up to which a cell holds counts, or shares only


class _Style(NamedTuple):
    font: float
    inches: float  # of a cell
    cells: str  # what they show


_STYLES: tuple[tuple[float, _Style], ...] = (
    (4, _Style(14, 0.0, "count and share of the row")),
    (ALL_NUMBERS, _Style(9, 0.62, "count and share of the row")),
    (SHARES, _Style(9, 0.42, "per cent of the row")),
    (math.inf, _Style(7, 0.3, "colour: share of the row")),
)
"""By the largest number of classes."""


class ConfusionMatrixPicture(Callback):
    """Plots the confusion matrix of the target's labelled test rows.

    A plot ``confusion`` of the last validation of a fit, and one of every validation
    and test that is run by itself: true classes are rows, predicted ones columns, with
    counts and shares of the row. Rows whose class is unknown don't count.

    It reads the logits (n, k) that ``validation_step`` and ``test_step`` return for
    loader 1. The counts are those of all processes; a process without rows of its own
    in the last batch repeats one, which then counts twice.

    Raises:
        ValueError: If the data is not two domains, or a step returns no logits.
    """

    def __init__(self) -> None:
        self._counts: MulticlassConfusionMatrix | None = None
        self._names: tuple[str, ...] = ()
        self._latest: tuple[int, Tensor] | None = None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "predict":
            return
        data = require_domains(self, trainer)
        self._names, self._latest = tuple(data.class_names), None
        self._counts = MulticlassConfusionMatrix(len(self._names), ignore_index=-1)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self._counts is not None
        self._counts = self._counts.to(pl_module.device)
        self._counts.reset()

    @override
    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any,
        batch: Any, batch_idx: int, dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        if dataloader_idx != TARGET or trainer.sanity_checking:
            return
        expected = (len(batch[1]), len(self._names))
        if not isinstance(outputs, Tensor) or outputs.shape != expected:
            raise ValueError(
                f"ConfusionMatrixPicture needs steps that return logits of shape "
                f"{expected}, and those of {type(pl_module).__name__} don't: remove "
                "it from trainer.callbacks."
            )
        assert self._counts is not None
        self._counts.update(outputs, batch[1])

    @override
    def on_validation_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        """Add the counts of all processes up."""
        if not trainer.sanity_checking:
            assert self._counts is not None
            self._latest = (steps_made(pl_module), self._counts.compute().cpu())

    on_test_start = on_validation_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

    def _plot(self, trainer: Trainer, module: LightningModule, what: str) -> None:
        if self._latest is None or not trainer.is_global_zero:
            return
        step, counts = self._latest
        total = int(counts.sum())
        if not total:
            return  # no row of the target has a label
        correct = int(counts.diagonal().sum())
        share = f"{100 * correct / total:.1f} %"
        caption = f"{what}, step {step}: {correct} of {total} correct ({share})"
        title = f"{subject(trainer, module)}\n{caption}"
        plot = confusion_matrix(counts, self._names, title)
        log_picture(trainer, "confusion", plot, step, caption)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Plot a validation that is run by itself; a fit may have more to come."""
        if not is_fitting(trainer):
            self._plot(trainer, pl_module, "validation")

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._plot(trainer, pl_module, "validation")

    @override
    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._plot(trainer, pl_module, "test")


def confusion_matrix(counts: Tensor, class_names: Sequence[str], title: str) -> Pixels:
    """Draw a confusion matrix.

    The colour is the share of the row; a row without a count is grey. Up to 12 classes
    a cell holds count and share, up to 25 the share in per cent alone.

    Args:
        counts: Rows of true class i that were predicted to be class j, int64 (k, k).
        class_names: Names of the classes.
        title: Line above the plot.
    """
    table = counts.cpu().numpy()
    sums = table.sum(axis=1, keepdims=True)
    shares = np.where(sums > 0, table / np.maximum(sums, 1), np.nan)
    k, names = len(table), short_names(class_names)
    style = next(style for limit, style in _STYLES if k <= limit)
    side = min(16.0, max(6.4, 1.6 + style.inches * k))
    figure, axes = new_figure(title, (side, side))
    axes.set_facecolor("#dddddd")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    wide = 0.09 * max(map(len, names)) > 0.8 * (side - 1.6) / k
    axes.set_xticks(range(k), names, rotation=90 if wide else 0, parse_math=False)
    axes.set_yticks(range(k), names, parse_math=False)
    axes.tick_params(length=0, labelsize=min(style.font, 10))
    axes.set_xlabel(f"predicted class ({style.cells})")
    axes.set_ylabel("true class")
    if k <= SHARES:
        _numbers(axes, table, shares, style.font)
    return rasterise(figure)


def _numbers(
    axes: Axes, table: NDArray[np.int64], shares: NDArray[np.float64], size: float
) -> None:
    for (i, j), count in np.ndenumerate(table):
        if not count:
            continue
        share = 100 * shares[i, j]
        text = "<1" if share < 0.5 else f"{share:.0f}"
        if len(table) <= ALL_NUMBERS:
            text = f"{count}\n{text} %"
        colour = "white" if share > 55 else "black"
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=size)
