"""Metrics that torchmetrics lacks, each a state around a pure function."""

from lightning_modules.metrics.domains import ProxyADistance
from lightning_modules.metrics.features import (
    ClassShares,
    FrozenFeatures,
    Inception,
    Precomputed,
)
from lightning_modules.metrics.modes import ModeCoverage
from lightning_modules.metrics.scores import feature_scores
from lightning_modules.metrics.selection import (
    BatchNuclearNorm,
    InformationMaximisation,
    SoftNeighbourhoodDensity,
    TargetEntropy,
)
from lightning_modules.metrics.wasserstein import (
    SlicedWassersteinDistance,
    WassersteinDistance,
)

__all__ = [
    "BatchNuclearNorm",
    "ClassShares",
    "FrozenFeatures",
    "Inception",
    "InformationMaximisation",
    "ModeCoverage",
    "Precomputed",
    "ProxyADistance",
    "SlicedWassersteinDistance",
    "SoftNeighbourhoodDensity",
    "TargetEntropy",
    "WassersteinDistance",
    "feature_scores",
]
