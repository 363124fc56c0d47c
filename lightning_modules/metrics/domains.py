"""Proxy A-distance as a metric over batches and processes."""

from typing import Any

import torch
from torch import Tensor

from lightning_modules.functional.domain_distance import proxy_a_distance
from lightning_modules.metrics.wasserstein import TwoSampleMetric


class ProxyADistance(TwoSampleMetric):
    """Proxy A-distance between the features of two domains: 0 alike, 2 separable.

    Of more than ``max_samples`` rows of a domain a fixed subset is used (see
    `thinning`): another one where features differ in their last bits, as they may where
    another number of processes computes them in other batches. Five folds, or as many
    as the smaller domain has rows; NaN for a single row.

    Args:
        max_samples: Rows kept of each domain; None keeps all.
        seed: Seed of the folds.
        kwargs: See torchmetrics.Metric.

    >>> metric, x = ProxyADistance(), torch.arange(20.0).reshape(20, 1)
    >>> metric.update(x, real=True)
    >>> metric.update(x + 100, real=False)
    >>> metric.compute()
    tensor(2.)
    """

    def __init__(
        self, max_samples: int | None = 2000, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(max_samples, **kwargs)
        self.seed = seed

    def compute(self) -> Tensor:
        """The distance, a float32 scalar."""
        real, fake = (_along_a_line(rows) for rows in self._sets())
        folds = min(5, len(real), len(fake))
        if folds < 2:
            return torch.tensor(float("nan"), device=real.device)
        distance = proxy_a_distance(real, fake, seed=self.seed, folds=folds)
        return torch.tensor(float(distance), device=real.device)


def _along_a_line(rows: Tensor) -> Tensor:
    """Rows (n, d) in an order that rounding of their last digits hardly changes.

    Folds are assigned by the order, and processes round differently.
    """
    generator = torch.Generator().manual_seed(0)
    line = torch.randn(rows.shape[1], generator=generator, dtype=torch.float64)
    return rows[(rows.double() @ line.to(rows.device)).argsort(stable=True)]
