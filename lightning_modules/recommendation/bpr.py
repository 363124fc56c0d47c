"""Bayesian personalised ranking (Rendle et al. 2009, arXiv:1205.2618)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus
from typing_extensions import override

from lightning_modules.recommendation.factors import FactorRanker
from lightning_modules.recommendation.pairwise import PairBatch


class BPR(FactorRanker):
    r"""Matrix factorisation by BPR: positives score above sampled negatives.

    .. math:: \min \sum_{(i,j)} -\log \sigma(s_{ij} - s_{ik})
              + \frac\lambda2 (\lVert u_i \rVert^2 + \lVert v_j \rVert^2
              + \lVert v_k \rVert^2), \qquad
              s_{ij} = \langle u_i, v_j \rangle + b_j

    with means over the batch. A negative that the user has seen gives no loss.

    Args:
        **options: See `FactorRanker`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> BPR(dim=8).decay
        0.01
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(1, **options)
        self.save_hyperparameters()

    @override
    def score_loss(self, pairs: PairBatch, user: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([pairs.items[:, None], pairs.candidates], 1)
        gap = self.score(user, both).diff(dim=1)  # negative minus positive
        return (softplus(gap) * pairs.allowed).mean(), both
