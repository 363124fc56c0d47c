"""Image classification, for the evaluation of generators."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy
from typing_extensions import override

from lightning_modules.core.alternating import outputs_of_two, trainable
from lightning_modules.core.evaluation import Evaluator, Values
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner, OptimizerSpec
from lightning_modules.core.validation import check_at_least, check_positive
from lightning_modules.data_contracts.batches import check_classes, labelled_of
from lightning_modules.data_contracts.contracts import CountedClasses, SampleShape
from lightning_modules.optim.schedules import OneCycle


def shifted(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images translated by whole pixels; the border is repeated.

    Args:
        x: Images, shape (n, c, h, w).
        down: Pixels downwards, int64, shape (n,); negative is upwards.
        right: Pixels to the right, int64, shape (n,).

    >>> x = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> shifted(x, torch.tensor([0]), torch.tensor([1])).flatten()
    tensor([1., 1., 2.])
    """
    n, _, height, width = x.shape
    image = torch.arange(n, device=x.device).reshape(-1, 1, 1)
    rows = torch.arange(height, device=x.device) - down[:, None]
    cols = torch.arange(width, device=x.device) - right[:, None]
    rows, cols = rows.clamp(0, height - 1), cols.clamp(0, width - 1)
    # Indices around a slice put the sliced axis last.
    return x[image, :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)


class Classifier(AlternatingModule):
    """Image classifier, trained by cross-entropy with random shifts.

    The learning rate follows `OneCycle`, which needs the length of the run: set
    ``max_epochs`` or ``max_steps``.

    Logs ``train/loss`` and ``{val,test}/accuracy`` (share in [0, 1]) and ``loss``
    (nats).

    Args:
        network: Images (n, c, h, w) in [-1, 1] to logits (n, n_classes).
        n_classes: Number of classes.
        optimizer: Makes the optimizer from the network's weights; its learning rate
            is the peak of the cycle.
        shift: Largest shift of a training image along each axis, in pixels.
        clip_norm: Largest gradient norm of an update, or None.

    Raises:
        ValueError: If an argument is out of its range.

    References:
        Smith and Topin 2018, "Super-convergence", arXiv:1708.07120.
    """

    monitor: ClassVar[str] = "val/accuracy"
    mode: ClassVar[str] = "max"
    alternates: ClassVar[bool] = False
    follows: ClassVar[Mapping[str, str]] = {"network.shape": "data.shape"}

    evaluator: "ClassificationEvaluator"

    def __init__(
        self,
        network: nn.Module,
        n_classes: int = 10,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=5e-3),
        shift: int = 2,
        clip_norm: float | None = None,
    ) -> None:
        check_at_least(0, shift=shift)
        check_positive(clip_norm=clip_norm)
        check_at_least(2, n_classes=n_classes)
        super().__init__(ClassificationEvaluator(n_classes))
        self.save_hyperparameters()
        self.network, self.n_classes = network, n_classes
        self.shift = shift
        self._optimizer_factory, self.clip_norm = optimizer, clip_norm

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) in [-1, 1] to logits (n, n_classes)."""
        logits: Tensor = self.network(x)
        return logits

    @override
    def learners(self) -> list[Learner]:
        spec = OptimizerSpec(
            "",
            trainable(self.network),
            self._optimizer_factory,
            OneCycle,
            self.clip_norm,
        )
        return [Learner("network", self.objective, [spec], waits=True, counts=True)]

    @override
    def check_data(self, data: Any) -> None:
        super().check_data(data)
        n = self.n_classes
        if isinstance(data, SampleShape):
            logits = outputs_of_two(self.network, data.shape, self.device)
            if logits.shape[1] != n:
                raise ValueError(
                    f"The network gives {logits.shape[1]} logits for {n} classes: set "
                    f"--model.network.n_classes {n}, or model.n_classes."
                )
        if isinstance(data, CountedClasses) and (data.num_classes or 0) > n:
            k = data.num_classes
            raise ValueError(
                f"model.n_classes is {n}, but the data has {k} classes: set "
                f"--model.n_classes {k} --model.network.n_classes {k}."
            )

    def objective(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy of the shifted batch."""
        x, y = labelled_of(batch, soft=True)
        check_classes(y, self.n_classes, look=self.begins)
        if self.shift:
            offsets = self.noise.uniform(2, len(x)) * (2 * self.shift + 1)
            down, right = (offsets.long() - self.shift).to(x.device)
            x = shifted(x, down, right)
        loss = F.cross_entropy(self(x), y)
        self.record(loss=loss)
        return loss

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> None:
        """Refused: prediction draws samples, which a classifier does not have."""
        raise ValueError(
            "predict is not supported by Classifier: use validate or test."
        )


class ClassificationEvaluator(Evaluator[Classifier]):
    """Accuracy, a share in [0, 1], and cross-entropy in nats.

    Args:
        n_classes: Number of classes.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes
        self.accuracy = MulticlassAccuracy(n_classes, average="micro")
        self.loss = MeanMetric(nan_strategy="ignore")

    @override
    def start(self, stage: str) -> None:
        for metric in (self.accuracy, self.loss):
            metric.to(self.module.device).reset()

    @override
    def update(self, stage: str, batch: Any, loader: int) -> None:
        x, y = labelled_of(batch, soft=True)
        check_classes(y, self.n_classes, look=False)
        logits = self.module(x)
        self.watch(logits)
        self.accuracy.update(logits, y)
        self.loss.update(F.cross_entropy(logits, y), len(y))

    @override
    def metric_names(self) -> tuple[str, ...]:
        return ("accuracy", "loss")

    @override
    def compute(self, stage: str) -> Values:
        return {"accuracy": self.accuracy.compute(), "loss": self.loss.compute()}
