"""Collaborative metric learning with a smooth hinge over all candidates."""

from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from lightning_modules.core.validation import check_nonnegative, check_positive
from lightning_modules.functional.collaborative import popularity_heights
from lightning_modules.functional.shared_hinge import shared_smooth_hinge
from lightning_modules.recommendation.evaluation import Sizes
from lightning_modules.recommendation.metric import ALL, Compared, MetricRanker
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

    With ``height`` above 0 items have a bias by their popularity, as a distance: an
    item stands over the ball, the higher the fewer users took it, and :math:`h_j^2` of
    `popularity_heights` is added to its squared distance to every user, in training and
    in rankings. A ball alone has no room for many items that are near all users. A new
    item that is known by its features has the mean of the others' :math:`h^2`.
    Distances between items are those in the ball.

    This is not in the CML paper; see docs/decisions for its purpose and its results.

    Args:
        temperature: Tau > 0, in squared units of the ball.
        height: How far items that few users took stand from everybody: gamma of
            `popularity_heights`, in squared units of the ball; 0 is without.
        n_negatives: U, candidates of a batch; None takes all items.
        **options: Dimension, margin, features, covariance term, ball, optimizers and
            cut-offs of `MetricRanker`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> SmoothCML(dim=8, temperature=0.1).pairs.negatives.shared
        True
    """

    heights: Tensor
    """Squared heights of the items, (n_items,)."""

    def __init__(
        self,
        *,
        temperature: float = 0.2,
        height: float = 0.0,
        n_negatives: int | None = 2000,
        **options: Any,
    ) -> None:
        super().__init__(n_negatives, shared=True, **options)
        check_positive(temperature=temperature)
        check_nonnegative(height=height)
        self.temperature, self.height = temperature, height
        self.save_hyperparameters()

    @override
    def make(self, sizes: Sizes) -> None:
        super().make(sizes)
        if self.height:
            self.register_buffer("heights", torch.zeros(sizes.n_items))

    @override
    def on_fit_start(self) -> None:
        """Raise the items over the ball."""
        super().on_fit_start()
        if self.height:
            squares = popularity_heights(self.evaluator.popularity, self.height)
            if self.feature_weight:
                seen = self.evaluator.seen_items
                squares = torch.where(seen, squares, squares[seen].mean())
            self.heights.copy_(squares)

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
        near, beyond = (user - positive).square().sum(1), None
        if self.height:
            near = near + self.heights[pairs.items]
            beyond = self.heights[pairs.candidates[0]]
        options = self.margin, self.temperature, pairs.owner, beyond
        return shared_smooth_hinge(users, candidates, near, weight, *options).mean()

    @override
    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Negative squared distances (n, m) of points (n, d) to a slice of items."""
        score = super().scores_of(rows, part)
        return score - self.heights[part] if self.height else score

    @override
    def likeness(self, items: Tensor) -> Tensor:
        """Negative squared distances (n, n_items) of items int64 (n,) in the ball."""
        return super().scores_of(self.item_points[items], ALL)

    @override
    def points(self) -> dict[str, Tensor]:
        """Points ``users`` (n_users, d), ``items`` (n_items, d), their ``heights``."""
        points = super().points()
        return (
            points | {"heights": self.heights.sqrt()[:, None]}
            if self.height
            else points
        )
