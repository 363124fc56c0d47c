"""Evaluation of a generator: distances of its samples to the data."""

from collections.abc import Collection
from typing import Any, Protocol

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import override

from lightning_modules.core.evaluation import Evaluator, Values
from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.batches import samples_of
from lightning_modules.metrics import SlicedWassersteinDistance, WassersteinDistance


class Sampler(Protocol):
    """A module that maps latents to samples."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""

    @property
    def global_rank(self) -> int:
        """Rank of this process."""

    def latents(self, n: int, stream: RandomStream, batch: Any = None) -> Any:
        """Latents of n samples."""

    def __call__(self, latents: Any) -> Tensor:
        """Samples (n, ...)."""


class GenerativeEvaluator(Evaluator[Sampler]):
    """Exact and sliced Wasserstein distance between data and generated samples.

    Every validation draws its samples from the same latents.
    """

    def __init__(self) -> None:
        self._distances: dict[str, Metric] = {
            "sliced_wasserstein": SlicedWassersteinDistance(),
            "wasserstein": WassersteinDistance(),
        }

    @override
    def start(self, stage: str) -> None:
        seed, rank = torch.initial_seed(), self.module.global_rank
        self._noise = RandomStream(seed, rank, "evaluation", self.module.device)
        for metric in self._distances.values():
            metric.to(self.module.device).reset()

    @override
    def update(self, stage: str, batch: Any, loader: int) -> None:
        real = samples_of(batch)
        fake = self.module(self.module.latents(len(real), self._noise, batch))
        for metric in self._distances.values():
            metric.update(real, real=True)
            metric.update(fake, real=False)

    @override
    def metric_names(self) -> Collection[str]:
        return self._distances.keys()

    @override
    def compute(self, stage: str) -> Values:
        values = {key: metric.compute() for key, metric in self._distances.items()}
        for metric in self._distances.values():
            metric.reset()
        return values
