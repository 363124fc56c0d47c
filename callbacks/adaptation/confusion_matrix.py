"""Confusion matrix on the target test set."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix
from typing_extensions import override

from callbacks.core.requirements import require_domains
from callbacks.plotting.confusion_plot import confusion_matrix
from callbacks.plotting.images import log_picture
from lightning_modules.adaptation.evaluation import TARGET
from lightning_modules.core.lightning_internals import is_fitting


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
        """Read the classes from the data."""
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
        """Count the target's rows of a batch."""
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
            self._latest = (trainer.global_step, self._counts.compute().cpu())

    on_test_start = on_validation_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end

    def _plot(self, trainer: Trainer, what: str) -> None:
        if self._latest is None or not trainer.is_global_zero:
            return
        step, counts = self._latest
        # A test makes no steps; the module logs how many its checkpoint had made.
        step = int(trainer.callback_metrics.get("step", step))
        total = int(counts.sum())
        if not total:
            return  # no row of the target has a label
        correct = int(counts.diagonal().sum())
        share = f"{100 * correct / total:.1f} %"
        caption = f"{what}, step {step}: {correct} of {total} correct ({share})"
        plot = confusion_matrix(counts, self._names, caption)
        log_picture(trainer, "confusion", plot, step, caption)

    @override
    def on_validation_end(self, trainer: Trainer, _: LightningModule) -> None:
        """Plot a validation that is run by itself; a fit may have more to come."""
        if not is_fitting(trainer):
            self._plot(trainer, "validation")

    @override
    def on_train_end(self, trainer: Trainer, _: LightningModule) -> None:
        self._plot(trainer, "validation")

    @override
    def on_test_end(self, trainer: Trainer, _: LightningModule) -> None:
        self._plot(trainer, "test")
