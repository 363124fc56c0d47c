"""Collaborative metric learning (Hsieh et al. 2017, doi:10.1145/3038912.3052639)."""

from typing import Any

from torch import Tensor
from typing_extensions import override

from lightning_modules.recommendation.hinge import Negative, RankHinge
from lightning_modules.recommendation.metric import Compared, MetricRanker
from lightning_modules.recommendation.pairwise import PairBatch


class CML(MetricRanker):
    r"""Users and items as points of the unit ball, positives closer than negatives.

    .. math:: \min \sum_{(i,j)} w_{ij} [m + d(i,j)^2 - d(i,k)^2]_+
              + \lambda_f \mathcal L_f + \lambda_c \mathcal L_c, \qquad
              \lVert u_i \rVert, \lVert v_j \rVert \le 1

    (eq. 51-56). For every pair (user i, positive item j) of a batch U candidates are
    sampled, and k is the hardest of those that are not positives of the user. The
    weight :math:`w_{ij} = \log(\lfloor J M / U \rfloor + 1)` has no gradient.

    Args:
        n_negatives: U, candidates of each pair.
        negative: ``hardest`` of them, or the ``first`` impostor as in WARP.
        rank_weighted: Whether the hinge is weighted; without, all pairs count equally.
        **options: Dimension, margin, features, covariance term, ball, optimizers and
            cut-offs of `MetricRanker`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> CML(dim=8, margin=0.5).pairs.negatives.n
        20
    """

    def __init__(
        self,
        *,
        n_negatives: int = 20,
        negative: Negative = "hardest",
        rank_weighted: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(n_negatives, shared=False, **options)
        self.hinge = RankHinge(self.margin, negative, rank_weighted)
        self.save_hyperparameters()

    @override
    def negatives_of(
        self, pairs: PairBatch, user: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Hardest candidate of each pair, and its rank weight."""
        items, weight = self.hinge.choose(
            self.costs,
            user,
            pairs.items,
            pairs.candidates,
            allowed,
            self.evaluator.n_items,
        )
        if self.recording:
            self.record(impostors=(weight > 0).float().mean())
        return items, weight

    @override
    def metric_loss(self, pairs: PairBatch, points: Compared, weight: Tensor) -> Tensor:
        """Eq. 52 for points (n, d), one negative each."""
        near, far = ((points.user - item).square().sum(1) for item in points[2:])
        return self.hinge(near, far, weight)
