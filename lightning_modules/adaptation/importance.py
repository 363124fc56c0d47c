"""Accuracy on the source, weighted by how much a row looks like the target."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lightning_modules.adaptation.clusters import evenly_spaced


class WeightedAccuracy(NamedTuple):
    """Estimates of the accuracy on the target that need no label of it.

    Attributes:
        iwcv: One minus the mean weighted error (Sugiyama et al. 2007,
            "Covariate shift adaptation by importance weighted cross validation").
        dev: The same with the weights as a control variate, so that it scatters less
            (You et al. 2019, "Towards accurate model selection in deep unsupervised
            domain adaptation").
    """

    iwcv: float
    dev: float


def density_ratios(source: Tensor, target: Tensor, rows: Tensor) -> NDArray[np.float64]:
    """How much more frequent rows are in the target than in the source.

    Odds of a logistic regression between both domains, of which at most 4,000 rows
    serve, see `evenly_spaced`.

    Args:
        source: Features (n, d).
        target: Features (m, d).
        rows: Features (k, d), other rows of the source.

    Returns:
        Weights (k,), all at least 0.
    """
    chosen = (part[evenly_spaced(len(part))] for part in (source, target))
    parts = [part.flatten(1).double().numpy() for part in chosen]
    domain = np.repeat([0, 1], [len(part) for part in parts])
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    judge.fit(np.concatenate(parts), domain)
    logits = judge.decision_function(rows.flatten(1).double().numpy())
    ratios: NDArray[np.float64] = np.exp(logits) * len(parts[0]) / len(parts[1])
    return ratios


def weighted_accuracy(right: Tensor, weights: NDArray[np.float64]) -> WeightedAccuracy:
    """Both estimates, for source rows that are classified right or wrong.

    Args:
        right: Bool (n,).
        weights: Those of `density_ratios`, (n,).

    >>> import torch
    >>> right = torch.tensor([True, True, False, True])
    >>> weighted_accuracy(right, np.array([1.0, 2.0, 1.0, 0.0]))
    WeightedAccuracy(iwcv=0.75, dev=0.75)
    """
    errors = weights * (~right).double().numpy()
    spread = weights.var()
    slope = np.cov(errors, weights, bias=True)[0, 1] / spread if spread else 0.0
    risk = errors.mean() - slope * (weights.mean() - 1)
    return WeightedAccuracy(float(1 - errors.mean()), float(1 - risk))
