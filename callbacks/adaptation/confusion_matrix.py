"""Which of the target's classes are taken for which."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from callbacks.adaptation.domain_data import domain_data
from callbacks.plotting.confusion_plot import confusion_matrix
from callbacks.plotting.images import log_picture
from lightning_modules.adaptation.evaluation import TARGET


class ConfusionMatrixPicture(pl.Callback):
    """Draws the confusion matrix of the target's labelled test rows.

    A picture ``confusion`` of the last validation of a fit, and one of every validation
    and test that is run by itself: true classes are rows, predicted ones columns, with
    counts and shares of the row. Rows whose class is unknown don't count.

    It reads the logits (n, k) that ``validation_step`` and ``test_step`` return for
    loader 1. The counts are those of all processes; a process without rows of its own
    in the last batch repeats one, which then counts twice.

    Raises:
        ValueError: If the data is not two domains, or a step returns no logits.
    """

    def __init__(self) -> None:
        self._hits: MulticlassConfusionMatrix | None = None
        self._names: tuple[str, ...] = ()
        self._latest: tuple[int, Tensor] | None = None

    def setup(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        stage: str,
    ) -> None:
        """Take the classes from the data."""
        if stage == "predict":
            return
        data = domain_data(self, trainer)
        self._names, self._latest = tuple(data.class_names), None
        self._hits = MulticlassConfusionMatrix(len(self._names), ignore_index=-1)

    # One evaluation -----------------------------------------------------------------

    def _start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        assert self._hits is not None
        self._hits = self._hits.to(pl_module.device)
        self._hits.reset()

    def _count(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> None:
        if dataloader_idx != TARGET or trainer.sanity_checking:
            return
        expected = (len(batch[1]), len(self._names))
        if not isinstance(outputs, Tensor) or outputs.shape != expected:
            raise ValueError(
                f"ConfusionMatrixPicture needs steps that return logits of shape "
                f"{expected}, and those of {type(pl_module).__name__} don't: take it "
                "out of trainer.callbacks."
            )
        assert self._hits is not None
        self._hits.update(outputs, batch[1])

    def _finish(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Join the counts of all processes, which all take part."""
        if trainer.sanity_checking:
            return
        assert self._hits is not None
        self._latest = (trainer.global_step, self._hits.compute().cpu())

    def _draw(self, trainer: pl.Trainer, what: str) -> None:
        if self._latest is None or not trainer.is_global_zero:
            return
        step, counts = self._latest
        # A test makes no steps; the module logs how many its checkpoint has seen.
        step = int(trainer.callback_metrics.get("step", step))
        total = int(counts.sum())
        if not total:
            return  # no row of the target has a label
        right = int(counts.diagonal().sum())
        share = f"{100 * right / total:.1f} %"
        caption = f"{what}, step {step}: {right} of {total} right ({share})"
        picture = confusion_matrix(counts, self._names, caption)
        log_picture(trainer, "confusion", picture, step, caption)

    # Hooks --------------------------------------------------------------------------

    on_validation_start = on_test_start = _start
    on_validation_batch_end = on_test_batch_end = _count
    on_validation_epoch_end = on_test_epoch_end = _finish

    def on_validation_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
    ) -> None:
        """Draw a validation that is run by itself; a fit may have more to come."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._draw(trainer, "validation")

    def on_train_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
    ) -> None:
        """Draw the last validation."""
        self._draw(trainer, "validation")

    def on_test_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
    ) -> None:
        """Draw the test."""
        self._draw(trainer, "test")
