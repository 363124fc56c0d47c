"""Scores of a validation on two domains, with and without target labels."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from lightning_modules.metrics.domains import ProxyADistance
from lightning_modules.metrics.selection import (
    BatchNuclearNorm,
    InformationMaximisation,
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


class DomainScores(nn.Module):
    """Accuracies of both domains, scores without labels, distances of the features.

    Args:
        n_classes: Number of classes.
        selection: Score by which `remember` picks.

    Attributes:
        summary: The best score so far, the accuracy there, and the best accuracy.
    """

    def __init__(self, n_classes: int, selection: Selection) -> None:
        super().__init__()
        self.selection = selection
        self.source_confusion = MulticlassConfusionMatrix(n_classes, ignore_index=-1)
        self.target_confusion = MulticlassConfusionMatrix(n_classes, ignore_index=-1)
        self.unlabelled = MetricCollection(
            {f"target_{key}": made() for key, made in SCORES.items()},
            compute_groups=False,
        )
        self.apart = MetricCollection(
            {
                "feature_wasserstein": WassersteinDistance(),
                "proxy_a_distance": ProxyADistance(),
            },
            compute_groups=False,
        )
        self.summary: dict[str, float] = {}

    def update(self, role: int, logits: Tensor, labels: Tensor | None) -> None:
        """Take in a batch of loader ``role``, see `TwoDomains`."""
        if labels is None:
            self.unlabelled.update(logits.float())
        else:
            hits = self.target_confusion if role else self.source_confusion
            hits.update(logits, labels)

    def update_distances(self, role: int, features: Tensor) -> None:
        """Take in the features of source (0) and target (2) rows."""
        if role != 1:
            self.apart.update(features.float(), real=role == 0)

    def compute(self) -> dict[str, Tensor | float]:
        """Accuracies where there are labels, and the scores."""
        found = _accuracies("source", self.source_confusion)
        found |= _accuracies("target", self.target_confusion)
        rows = any(score.update_called for score in self.unlabelled.values())
        return found | (self.unlabelled.compute() if rows else {})

    def distances(self) -> dict[str, Tensor]:
        """Exact W1 and proxy A-distance between source and target features."""
        found: dict[str, Tensor] = self.apart.compute()
        return found

    def remember(self, found: Mapping[str, Tensor | float]) -> dict[str, float]:
        """Target accuracy now, where the score was best, and at its best.

        Returns:
            ``target_accuracy_last``, ``_selected`` and ``_oracle``; nothing without
            target labels, or without unlabelled rows.
        """
        if not {"target_accuracy", f"target_{self.selection}"} <= found.keys():
            return {}
        accuracy = float(found["target_accuracy"])
        better = SCORES[self.selection].higher_is_better
        score = float(found[f"target_{self.selection}"]) * (1 if better else -1)
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
            self.apart,
        ):
            metric.reset()


def _accuracies(domain: str, hits: Metric) -> dict[str, Tensor | float]:
    """Share of hits, and its mean over the classes that occur; of (k, k) counts."""
    if not hits.update_called:
        return {}
    counts = hits.compute()
    rows, own = counts.sum(1), counts.diagonal()
    if not rows.sum():
        return {}
    classes = rows > 0
    return {
        f"{domain}_accuracy": own.sum() / rows.sum(),
        f"{domain}_class_accuracy": (own[classes] / rows[classes]).mean(),
    }
