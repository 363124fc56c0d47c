"""A small instance of every method, with small data for it."""

from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule

from datamodules import Digits, LabelledTable, PointClouds
from lightning_modules import (
    Classifier,
    ConvClassifier,
    LinearMap,
    MetricLearner,
    MLPCritic,
    MLPGenerator,
)
from lightning_modules.core.public_names import accepted_names
from tests.support import domains
from tests.support.ranking_data import planted
from tests.support.shipped import topic_of

BY_CLASS = {cls: name for name, cls in domains.METHODS.items()}


def build(cls: Any, **options: Any) -> tuple[LightningModule, LightningDataModule]:
    """A small method, and small data for it of at least 7 batches an epoch."""
    topic = topic_of(cls)
    if topic == "generative":
        networks = MLPGenerator(2, (2,), hidden=(4,)), MLPCritic((2,), hidden=(4,))
        return cls(*networks, **options), PointClouds(
            "ring8", n_train=28, n_val=16, n_test=16, batch_size=4
        )
    if topic == "adaptation":
        data = domains.Pair(batches_per_epoch=7)
        return domains.module(BY_CLASS[cls], **options), data
    if cls is MetricLearner:
        return cls(LinearMap((13,)), **options), LabelledTable(batch_size=15)
    if cls is Classifier:
        options.setdefault("network", ConvClassifier((1, 8, 8), 10, 4))
        return cls(n_classes=10, **options), Digits(batch_size=64)
    size = {"dim": 2} if "dim" in accepted_names(cls) else {}
    return cls(**size, **options), planted()
