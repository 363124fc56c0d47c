"""Evaluation of domain adaptation on source and target."""

from collections.abc import Collection
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.adaptation.scores import NAMES, DomainScores, Selection
from lightning_modules.core.evaluation import Evaluator, Values
from lightning_modules.core.lightning_internals import is_fitting
from lightning_modules.data_contracts.batches import (
    check_classes,
    labelled_of,
    rows_of,
)
from lightning_modules.data_contracts.contracts import KnownClasses, data_of
from lightning_modules.data_contracts.sparse_rows import Rows

SOURCE, TARGET, UNLABELLED = range(3)
"""Numbers of the validation loaders."""


class DomainClassifier(Protocol):
    """A module with an extractor and a classifier."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""

    @property
    def trainer(self) -> pl.Trainer:
        """The trainer."""

    @property
    def classifier(self) -> nn.Module:
        """The network that maps features (n, d) to logits (n, n_classes)."""

    def features(self, x: Rows) -> Tensor:
        """Features (n, d) of samples (n, ...)."""


class DomainEvaluator(Evaluator[DomainClassifier]):
    """Accuracies on both domains, and scores without target labels.

    Every validation gives the accuracy on the target (which needs its labels), scores
    that do not need them, and three summaries of the run so far: the accuracy now
    (``last``), that of the validation with the best score ``selection``
    (``selected``), and the best one, which needs labels to select (``oracle``). A test
    adds the distances between the domains' features. The last validation is that of
    the last step where ``trainer.val_check_interval`` divides ``trainer.max_steps``.

    Args:
        n_classes: Number of classes.
        selection: Score that selects a validation without target labels.
    """

    def __init__(self, n_classes: int, selection: Selection) -> None:
        self.n_classes = n_classes
        self.scores = DomainScores(n_classes, selection)
        self.class_names: tuple[str, ...] = ()

    @override
    def on_fit_start(self, *, fresh: bool) -> None:
        if fresh:
            self.scores.summary, self.class_names = {}, ()
        self.check_checkpoint()

    @override
    def check_checkpoint(self) -> None:
        names = names_of_data(self.module)
        if self.class_names and names and names != self.class_names:
            raise ValueError(
                f"The checkpoint was trained on the classes "
                f"{', '.join(self.class_names)}, but data.source has "
                f"{', '.join(names)}: use a source with the same classes."
            )

    @override
    def start(self, stage: str) -> None:
        self.scores.to(self.module.device).reset()

    @override
    def update(self, stage: str, batch: Any, loader: int) -> Tensor:
        if loader == UNLABELLED:
            x, labels = rows_of(batch), None
        else:
            x, labels = labelled_of(batch)
            check_classes(labels, self.n_classes, look=False, ignored=-1)
        features = self.module.features(x)
        logits: Tensor = self.module.classifier(features)
        self.watch(logits)
        self.scores.update(loader, logits, labels)
        if stage == "test":
            self.scores.update_distances(loader, features)
        return logits

    @override
    def metric_names(self) -> Collection[str]:
        return NAMES

    @override
    def compute(self, stage: str) -> Values:
        values = self.scores.compute()
        if stage == "test":
            return values | self.scores.distances()
        if is_fitting(self.module.trainer) and not self.module.trainer.sanity_checking:
            values |= self.scores.remember(values)
        return values

    @override
    def save(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["selection"] = dict(self.scores.summary)
        checkpoint["class_names"] = list(names_of_data(self.module))

    @override
    def load(self, checkpoint: dict[str, Any]) -> None:
        self.scores.summary = dict(checkpoint.get("selection", {}))
        self.class_names = tuple(checkpoint.get("class_names", ()))


def names_of_data(module: DomainClassifier) -> tuple[str, ...]:
    """Class names of the data; empty where it has none."""
    data = data_of(module.trainer)
    return tuple(data.class_names) if isinstance(data, KnownClasses) else ()
