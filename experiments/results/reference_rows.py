"""Rows of a table that no model is trained for: the best that can be reached."""

import os

import torch

from callbacks.generative.feature_metrics import class_share_range
from datamodules import MNIST, PlantedInteractions, PointClouds
from experiments.provenance import data_root
from experiments.results.runs import FEATURES, Run
from lightning_modules.functional.ranking import top_items
from lightning_modules.metrics import FrozenFeatures, ModeCoverage, feature_scores
from lightning_modules.metrics.ranking import RankingMetrics


def real_data_metrics(run: Run) -> dict[str, float]:
    """The metrics of training data in the place of samples."""
    points = run.task != "mnist"
    data = PointClouds(run.task) if points else MNIST(mnist_root())  # type: ignore[arg-type]
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    real = data.real("train")
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(run.seed))
    if isinstance(data, PointClouds):
        assert data.modes is not None
        coverage = ModeCoverage(data.modes, data.mode_std)
        coverage.update(real[order[:2500]])
        return {name: float(value) for name, value in coverage.compute().items()}
    network = FrozenFeatures.from_file(str(FEATURES))
    features, logits = network.features_and_logits(real[order[:10_000]])
    scores = feature_scores(network(data.real("test")), features, logits, 1000, 20, 0)
    metrics = {**scores, **class_share_range(logits)}
    return {name: float(value) for name, value in metrics.items()}


def true_distance_metrics(run: Run) -> dict[str, float]:
    """The metrics of a ranking by the places that planted data is made from."""
    data = PlantedInteractions(seed=run.seed)
    data.prepare_data()
    data.setup("test")
    test, seen = (data.interactions(split) for split in ("test", "seen"))
    users = test.counts.nonzero().flatten()
    distances = torch.cdist(data.user_positions[users], data.item_positions)
    top, _ = top_items(
        lambda part: -distances[:, part], data.n_items, 20, seen.of(users)
    )
    metrics = RankingMetrics((10, 20))
    metrics.update(top, users, test)
    return {name: float(value) for name, value in metrics.compute().items()}


def mnist_root() -> str:
    """Where MNIST's files lie."""
    root = data_root()
    return str(root / "mnist") if "WASSERSTEIN_DATA" in os.environ else str(root)
