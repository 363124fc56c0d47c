"""Weighted approximate-rank pairwise loss (Weston et al. 2011, IJCAI)."""

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from lightning_modules.recommendation.factors import FactorRanker
from lightning_modules.recommendation.hinge import Negative, RankHinge
from lightning_modules.recommendation.pairwise import PairBatch


class WARP(FactorRanker):
    r"""Matrix factorisation by WARP: the hinge of CML on negative scores.

    .. math:: \min \sum_{(i,j)} w_{ij} [m - s_{ij} + s_{ik}]_+
              + \frac\lambda2 (\lVert u_i \rVert^2 + \lVert v_j \rVert^2
              + \lVert v_k \rVert^2), \qquad
              s_{ij} = \langle u_i, v_j \rangle + b_j

    with means over the batch. The paper weights by a harmonic sum; the weight here is
    that of eq. 53.

    Args:
        margin: m > 0, in units of the score.
        n_negatives: U, candidates of each pair.
        negative: ``first`` impostor as in the paper, or the ``hardest`` candidate.
        rank_weighted: Whether the hinge is weighted.
        **options: See `FactorRanker`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> WARP(dim=8).pairs.negatives.n
        20
    """

    def __init__(
        self,
        *,
        margin: float = 1.0,
        n_negatives: int = 20,
        negative: Negative = "first",
        rank_weighted: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(n_negatives, **options)
        self.hinge = RankHinge(margin, negative, rank_weighted)
        self.save_hyperparameters()

    def costs(self, user: Tensor, items: Tensor) -> Tensor:
        """Negative scores."""
        return -self.score(user, items)

    @override
    def score_loss(self, pairs: PairBatch, user: Tensor) -> tuple[Tensor, Tensor]:
        negatives, weight = self.hinge.choose(
            self.costs,
            user,
            pairs.items,
            pairs.candidates,
            pairs.allowed,
            self.evaluator.n_items,
        )
        if self.recording:
            self.record(impostors=(weight > 0).float().mean())
        both = torch.stack([pairs.items, negatives], 1)
        near, far = self.costs(user, both).unbind(1)
        return self.hinge(near, far, weight), both
