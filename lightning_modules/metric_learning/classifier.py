"""A classifier of real images, whose features and shares judge generated ones."""

import math
from typing import Any, ClassVar

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.core.module import TrackedModule

WARM_UP = 0.25


def one_cycle(progress: float) -> float:
    """Share of the peak learning rate after a share of the run (Smith and Topin).

    Straight up over the first quarter, then down to 0 along half a cosine.

    >>> [round(one_cycle(t), 3) for t in (0.0, 0.125, 0.25, 0.625, 1.0, 2.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    if progress < WARM_UP:
        return progress / WARM_UP
    falling = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return (1 + math.cos(math.pi * falling)) / 2


def shifted(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move every image by its own number of pixels; the border is repeated.

    Args:
        x: Images, shape (n, c, h, w).
        down: Pixels downwards, int64, shape (n,); negative is upwards.
        right: Pixels to the right, int64, shape (n,).

    >>> x = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> shifted(x, torch.tensor([0]), torch.tensor([1])).flatten()
    tensor([1., 1., 2.])
    """
    n, _, height, width = x.shape
    at = torch.arange(n, device=x.device).reshape(-1, 1, 1)
    rows = torch.arange(height, device=x.device) - down[:, None]
    cols = torch.arange(width, device=x.device) - right[:, None]
    rows, cols = rows.clamp(0, height - 1), cols.clamp(0, width - 1)
    # Indices around a slice put the sliced axis last.
    return x[at, :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)


class Classifier(TrackedModule):
    """Trains a network on labelled images by cross-entropy, with random shifts.

    The learning rate follows `one_cycle`, so a run must know its length: set
    ``max_epochs`` or ``max_steps``.

    Logs ``train/loss`` and ``{val,test}/accuracy`` (share in [0, 1]) and ``loss``
    (nats).

    Args:
        network: Images (n, c, h, w) in [-1, 1] to logits (n, n_classes).
        n_classes: Number of classes.
        optimizer: Makes the optimizer from the network's weights; its learning rate
            is the peak of the cycle.
        shift: Training images move by up to this many pixels both ways; 0 for none.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Smith and Topin 2018, "Super-convergence", arXiv:1708.07120.
    """

    monitor: ClassVar[str] = "val/accuracy"
    mode: ClassVar[str] = "max"

    def __init__(
        self,
        network: nn.Module,
        n_classes: int = 10,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=5e-3),
        shift: int = 2,
    ) -> None:
        super().__init__()
        if shift < 0:
            raise ValueError(f"shift must be at least 0, got {shift}.")
        if n_classes < 2:
            raise ValueError(f"n_classes must be at least 2, got {n_classes}.")
        self.save_hyperparameters()
        self.network = network
        self.shift = shift
        self._optimizer_factory = optimizer
        self.accuracy = MulticlassAccuracy(n_classes, average="micro")
        self.loss = MeanMetric()

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) in [-1, 1] to logits (n, n_classes)."""
        logits: Tensor = self.network(x)
        return logits

    def configure_optimizers(self) -> Any:
        """The optimizer, and its learning rate along `one_cycle`."""
        total = self.trainer.estimated_stepping_batches
        if math.isinf(total):
            raise ValueError(
                "The learning rate of Classifier depends on the length of the run: set "
                "trainer.max_epochs or trainer.max_steps."
            )
        optimizer = self._optimizer_factory(self.network.parameters())
        schedule = torch.optim.lr_scheduler.LambdaLR(
            # Half a step in, so that neither the first nor the last rate is 0.
            optimizer,
            lambda step: one_cycle((step + 0.5) / total),
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """Cross-entropy of the shifted batch."""
        x, y = batch
        self.recording = self.is_logged(self.global_step + 1)
        if self.shift:
            offsets = self.noise.uniform(2, len(x)) * (2 * self.shift + 1)
            down, right = (offsets.long() - self.shift).to(x.device)
            x = shifted(x, down, right)
        loss = F.cross_entropy(self(x), y)
        self.record(loss=loss)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Publish the step's values once it is counted."""
        self.publish_records()

    def _evaluate(self, batch: tuple[Tensor, Tensor]) -> None:
        x, y = batch
        logits = self(x)
        self.accuracy.update(logits, y)
        self.loss.update(F.cross_entropy(logits, y), len(y))

    def _report(self, stage: str) -> None:
        self.log_evaluation(
            {
                f"{stage}/accuracy": self.accuracy.compute(),
                f"{stage}/loss": self.loss.compute(),
            }
        )
        self.accuracy.reset()
        self.loss.reset()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Count hits and loss of a validation batch."""
        self._evaluate(batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Count hits and loss of a test batch."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Log ``val/accuracy`` and ``val/loss``."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Log ``test/accuracy`` and ``test/loss``."""
        self._report("test")

    def predict_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Refused: predicting means drawing samples, and a classifier draws none."""
        raise ValueError("Classifier draws no samples: use `validate` or `test`.")
