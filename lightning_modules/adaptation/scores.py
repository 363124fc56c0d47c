"""Metrics of two domains, with and without target labels."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from lightning_modules.metrics.domains import ProxyADistance
from lightning_modules.metrics.selection import (
    BatchNuclearNorm,
    InformationMaximisation,
    PredictedShares,
    SoftNeighbourhoodDensity,
    TargetEntropy,
)
from lightning_modules.metrics.wasserstein import WassersteinDistance

Selection = Literal["entropy", "im", "snd", "bnm"]
SCORES: dict[Selection, type[Metric]] = {
    "entropy": TargetEntropy,
    "im": InformationMaximisation,
    "snd": SoftNeighbourhoodDensity,
    "bnm": BatchNuclearNorm,
}
NAMES = (
    *(
        f"{d}_{kind}"
        for d in ("source", "target")
        for kind in ("accuracy", "class_accuracy")
    ),
    *(f"target_{key}" for key in SCORES),
    "share_distance",
    *(f"target_accuracy_{kind}" for kind in ("last", "selected", "oracle")),
)
"""All that a validation may give."""


class DomainScores(nn.Module):
    """Accuracies of both domains, scores without labels, distances of the features.

    Args:
        n_classes: Number of classes.
        selection: Score by which `remember` selects.

    Attributes:
        summary: Best score so far, the accuracy there, and the best accuracy.
    """

    def __init__(self, n_classes: int, selection: Selection) -> None:
        super().__init__()
        self.selection = selection
        self.source_confusion = MulticlassConfusionMatrix(n_classes, ignore_index=-1)
        self.target_confusion = MulticlassConfusionMatrix(n_classes, ignore_index=-1)
        self.unlabelled = MetricCollection(
            {f"target_{key}": metric() for key, metric in SCORES.items()},
            compute_groups=False,
        )
        self.predicted = PredictedShares()
        self.feature_distances = MetricCollection(
            {
                "feature_wasserstein": WassersteinDistance(),
                "proxy_a_distance": ProxyADistance(),
            },
            compute_groups=False,
        )
        self.summary: dict[str, float] = {}

    def update(self, role: int, logits: Tensor, labels: Tensor | None) -> None:
        """Add a batch of loader ``role``, see `TwoDomains`."""
        if labels is None:
            self.unlabelled.update(logits.float())
            self.predicted.update(logits.float())
        else:
            confusion = self.target_confusion if role else self.source_confusion
            confusion.update(logits, labels)

    def update_distances(self, role: int, features: Tensor) -> None:
        """Add the features of source (0) and target (2) rows."""
        if role != 1:
            self.feature_distances.update(features.float(), real=role == 0)

    def compute(self) -> dict[str, Tensor | float]:
        """Accuracies where there are labels, and the scores."""
        values = _accuracies("source", self.source_confusion)
        values |= _accuracies("target", self.target_confusion)
        if any(score.update_called for score in self.unlabelled.values()):
            values |= self.unlabelled.compute()
            values |= self._share_distance()
        return values

    def _share_distance(self) -> dict[str, Tensor | float]:
        """Total variation between predicted target shares and the source's."""
        if not self.source_confusion.update_called:
            return {}
        counts = self.source_confusion.compute().sum(1)
        difference = counts / counts.sum() - self.predicted.compute()
        return {"share_distance": difference.abs().sum() / 2}

    def distances(self) -> dict[str, Tensor]:
        """Exact W1 and proxy A-distance between source and target features."""
        values: dict[str, Tensor] = self.feature_distances.compute()
        return values

    def remember(self, values: Mapping[str, Tensor | float]) -> dict[str, float]:
        """Target accuracy now, at the best score, and the best so far.

        Returns:
            ``target_accuracy_last``, ``_selected`` and ``_oracle``; nothing without
            target labels, or without unlabelled rows.
        """
        if not {"target_accuracy", f"target_{self.selection}"} <= values.keys():
            return {}
        accuracy = float(values["target_accuracy"])
        better = SCORES[self.selection].higher_is_better
        score = float(values[f"target_{self.selection}"]) * (1 if better else -1)
        if score > self.summary.get("score", -float("inf")):
            self.summary |= {"score": score, "selected": accuracy}
        self.summary["oracle"] = max(accuracy, self.summary.get("oracle", 0.0))
        return {
            "target_accuracy_last": accuracy,
            "target_accuracy_selected": self.summary["selected"],
            "target_accuracy_oracle": self.summary["oracle"],
        }

    def reset(self) -> None:
        """Forget all batches."""
        for metric in (
            self.source_confusion,
            self.target_confusion,
            self.unlabelled,
            self.predicted,
            self.feature_distances,
        ):
            metric.reset()


def _accuracies(domain: str, confusion: Metric) -> dict[str, Tensor | float]:
    """Accuracy, and its mean over the classes that occur, of a confusion matrix."""
    if not confusion.update_called:
        return {}
    counts = confusion.compute()
    rows, correct = counts.sum(1), counts.diagonal()
    if not rows.sum():
        return {}
    classes = rows > 0
    return {
        f"{domain}_accuracy": correct.sum() / rows.sum(),
        f"{domain}_class_accuracy": (correct[classes] / rows[classes]).mean(),
    }
