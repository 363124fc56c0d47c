"""Metrics that torchmetrics does not have; each is state over a pure function."""

from lightning_modules.metrics.features import (
    ClassShares,
    FrozenFeatures,
    Inception,
    Precomputed,
)
from lightning_modules.metrics.modes import ModeCoverage
from lightning_modules.metrics.scores import feature_scores
from lightning_modules.metrics.wasserstein import (
    SlicedWassersteinDistance,
    WassersteinDistance,
)

__all__ = [
    "ClassShares",
    "FrozenFeatures",
    "Inception",
    "ModeCoverage",
    "Precomputed",
    "SlicedWassersteinDistance",
    "WassersteinDistance",
    "feature_scores",
]
