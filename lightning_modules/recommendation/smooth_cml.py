"""Collaborative metric learning with a smooth hinge over all candidates."""

from typing import Any

from torch import Tensor
from typing_extensions import override

from lightning_modules.core.validation import check_positive
from lightning_modules.functional.shared_hinge import shared_smooth_hinge
from lightning_modules.recommendation.metric import Compared, MetricRanker
from lightning_modules.recommendation.pairwise import PairBatch


class SmoothCML(MetricRanker):
    r"""CML with a smooth hinge over all candidates.

    .. math:: \tau \log\Bigl(1 + \sum_k e^{(m + d(i,j)^2 - d(i,k)^2) / \tau}\Bigr),
              \qquad \lVert u_i \rVert, \lVert v_j \rVert \le 1

    which for :math:`\tau \to 0` is the hinge at the hardest of the U candidates. The
    sum over impostors replaces the rank weight of `CML`. All pairs of a batch share
    their candidates, and those of a user their distances, so that a step is a few
    products of matrices, the smaller the fewer users it has: ``by_user`` of
    `InteractionData` brings a user's pairs together. The rest (ball, covariance term,
    features) is as in CML.

    This is not in the CML paper; see docs/decisions for its purpose and its results.

    Args:
        temperature: Tau > 0, in squared units of the ball.
        n_negatives: U, candidates of a batch; None takes all items.
        **options: Dimension, margin, features, covariance term, ball, optimizers and
            cut-offs of `MetricRanker`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> SmoothCML(dim=8, temperature=0.1).pairs.negatives.shared
        True
    """

    def __init__(
        self,
        *,
        temperature: float = 0.2,
        n_negatives: int | None = 2000,
        **options: Any,
    ) -> None:
        super().__init__(n_negatives, shared=True, **options)
        check_positive(temperature=temperature)
        self.temperature = temperature
        self.save_hyperparameters()

    @override
    def negatives_of(
        self, pairs: PairBatch, user: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Candidates of the batch, and a mask of those that a pair may use."""
        return pairs.candidates[0], allowed

    @override
    def metric_loss(self, pairs: PairBatch, points: Compared, weight: Tensor) -> Tensor:
        """Smooth hinge of users (k, d) and items (n, d) with candidates (U, d)."""
        users, user, positive, candidates = points
        near = (user - positive).square().sum(1)
        options = self.margin, self.temperature, pairs.owner
        return shared_smooth_hinge(users, candidates, near, weight, *options).mean()
