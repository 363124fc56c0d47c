"""Collaborative metric learning (Hsieh et al. 2017, doi:10.1145/3038912.3052639)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_modules.core.validation import check_nonnegative
from lightning_modules.functional import collaborative as F
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.hinge import HingeRanker, Negative
from lightning_modules.recommendation.item_encoder import ItemPlaces
from lightning_modules.recommendation.negatives import Negatives, Sampling


class CML(HingeRanker):
    r"""Users and items as points of the unit ball, what is liked nearer than the rest.

    .. math:: \min \sum_{(i,j)} w_{ij} [m + d(i,j)^2 - d(i,k)^2]_+
              + \lambda_f \mathcal L_f + \lambda_c \mathcal L_c, \qquad
              \lVert u_i \rVert, \lVert v_j \rVert \le 1

    (eq. 51-56). For every pair (user i, liked item j) of a batch U items are drawn,
    known positives among them put aside, and the hardest k taken. The weight
    :math:`w_{ij} = \log(\lfloor J M / U \rfloor + 1)` has no gradient. After each step
    the rows that it touched are projected to the ball.

    With ``feature_weight`` above 0 a network f learns where items with such features
    are. The table then holds :math:`v_j - f(x_j)`, so that :math:`\mathcal L_f` is the
    mean of its squares (eq. 54), items begin at f(x), and what moves an item teaches f
    about all that are like it. Items without a training pair are never drawn, and are
    ranked at f(x).

    Args:
        dim: Coordinates of a point.
        margin: m > 0, in squared units of the ball.
        n_negatives: U, items drawn for each pair.
        negative: ``hardest`` of them, or the ``first`` impostor as in WARP.
        rank_weighted: Whether the hinge is weighted; without, all pairs count equally.
        covariance_weight: Lambda_c.
        feature_weight: Lambda_f; above 0 the data must have item features.
        feature_hidden: Widths of f's hidden layers.
        feature_dropout: Share of each hidden layer that training sets to 0.
        sampling: How items are drawn, see `Negatives`.
        popularity_power: Of ``sampling: popularity``.
        ball: Whether points are held in the unit ball.
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of both tables; it must take sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.
        feature_optimizer: Makes the optimizer of f.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> CML(dim=8, margin=0.5).negatives.n
        20
    """

    score_name: ClassVar[str] = "distance"

    def __init__(
        self,
        dim: int = 64,
        margin: float = 1.0,
        n_negatives: int = 20,
        negative: Negative = "hardest",
        rank_weighted: bool = True,
        covariance_weight: float = 0.0,
        feature_weight: float = 0.0,
        feature_hidden: Sequence[int] = (256,),
        feature_dropout: float = 0.5,
        sampling: Sampling = "uniform",
        popularity_power: float = 0.75,
        ball: bool = True,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
        optimizer: OptimizerCallable = lambda p: RowwiseAdagrad(p),
        scheduler: LRSchedulerCallable | None = None,
        feature_optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p),
    ) -> None:
        super().__init__(
            margin,
            negative,
            rank_weighted,
            dim=dim,
            negatives=Negatives(n_negatives, sampling, popularity_power),
            optimizer=optimizer,
            scheduler=scheduler,
            ks=ks,
            item_chunk=item_chunk,
        )
        check_nonnegative(
            covariance_weight=covariance_weight, feature_weight=feature_weight
        )
        if not feature_hidden or min(feature_hidden) < 1:
            raise ValueError("feature_hidden must name at least one width above 0.")
        if not 0 <= feature_dropout < 1:
            raise ValueError(
                f"feature_dropout must be in [0, 1), got {feature_dropout}."
            )
        self.save_hyperparameters()
        self.covariance_weight, self.feature_weight = covariance_weight, feature_weight
        self.ball = ball
        self._network = tuple(feature_hidden), feature_dropout
        self._feature_factory = feature_optimizer
        self._points: Tensor | None = None

    @property
    def ranks_new_items(self) -> bool:  # type: ignore[override]
        """Whether features say where items are."""
        return self.feature_weight > 0

    def setup(self, stage: str) -> None:
        """Forget where items of other data were."""
        self._points = None
        super().setup(stage)

    def make(self, n_users: int, n_items: int, width: int) -> None:
        """Make the tables, and f where it is wanted; items then begin at f(x)."""
        super().make(n_users, n_items, width)
        if self.feature_weight:
            self.places = ItemPlaces(width, self.dim, *self._network)
            nn.init.zeros_(self.items.weight)

    def configure_optimizers(self) -> Any:
        """The optimizer of both tables, its schedule, and the optimizer of f."""
        optimizers, schedulers = super().configure_optimizers()
        if self.feature_weight:
            optimizers.append(self._feature_factory(self.places.parameters()))
        return optimizers, schedulers

    def on_fit_start(self) -> None:
        """Begin inside the ball."""
        super().on_fit_start()
        if self.ball and self.starts_anew:
            for table in (self.users, self.items):
                F.project_rows_(*table.own(None))

    # Where items are ----------------------------------------------------------------

    @property
    def item_points(self) -> Tensor:
        """All items (n_items, d), without gradients."""
        every = slice(0, self.n_items)
        if not self.feature_weight:
            return self.items.part(every)
        if self._points is None:
            placed = self.places.every(self.features)
            self._points = self._held(self.items.part(every) + placed)
        weight = self.users.weight  # a checkpoint's points are float32, on the CPU
        return self._points.to(weight.device, weight.dtype)

    def points(self) -> dict[str, Tensor]:
        """Points of the ball."""
        return super().points() | {"items": self.item_points}

    def _held(self, points: Tensor) -> Tensor:
        """Points (n, d), in the ball if they are to be."""
        if not self.ball:
            return points
        held: Tensor = points / points.norm(dim=1, keepdim=True).clamp_min(1)
        return held

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep where items are, for those who load the model without the features."""
        super().on_save_checkpoint(checkpoint)
        if self.feature_weight:
            checkpoint["item_points"] = self.item_points

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take where items are."""
        super().on_load_checkpoint(checkpoint)
        self._points = checkpoint.get("item_points")

    def costs(self, user: Tensor, items: Tensor) -> Tensor:
        """Squared distances (n, U) of items int64 (n, U) to points (n, d)."""
        exact = "donot_use_mm_for_euclid_dist"
        candidates = self.items(items)
        if self.feature_weight:
            candidates = nn.functional.embedding(items, self.item_points)
        return torch.cdist(user[:, None], candidates, compute_mode=exact)[:, 0].square()

    # Training -----------------------------------------------------------------------

    def objective(
        self, users: Tensor, items: Tensor, drawn: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Eq. 52, 54 and 55, means over the batch."""
        self._points = None
        if self.feature_weight:
            allowed = allowed & self.taken[drawn]
        negatives, weight = self.negatives_of(users, items, drawn, allowed)
        moved = torch.cat([items, negatives])
        user, points, apart = self.users(users), *self._located(moved)
        positive, negative = points.tensor_split([len(items)])
        loss = self.metric_loss(user, positive, negative, weight)
        self.record(loss=loss)
        if self.covariance_weight:
            penalty = F.covariance_penalty(torch.cat([user, points]))
            loss = loss + self.covariance_weight * penalty
            self.record(covariance=penalty)
        if self.feature_weight:
            loss = loss + self.feature_weight * apart
            self.record(feature_loss=apart)
        return loss, moved

    def _located(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Points (n, d) of items int64 (n,), and eq. 54, 0 without features."""
        rows = self.items(items)
        if not self.feature_weight:
            return rows, rows.new_zeros(())
        each, place = torch.unique(items, return_inverse=True)
        placed = self.places(self.features[each])[place]
        points = placed + rows
        return self._held(points), F.feature_loss(placed, points)

    def negatives_of(
        self, users: Tensor, items: Tensor, drawn: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The negatives of a batch, int64 (m,), and what `metric_loss` weighs with."""
        return self.choose(users, items, drawn, allowed)

    def metric_loss(
        self, user: Tensor, positive: Tensor, negative: Tensor, weight: Tensor
    ) -> Tensor:
        """Eq. 52 for points (n, d), one negative each."""
        near, far = ((user - item).square().sum(1) for item in (positive, negative))
        return (weight * F.metric_hinge(near, far, self.margin)).mean()

    def after_step(self, users: Tensor, items: Tensor) -> None:
        """Eq. 56."""
        self._points = None
        if self.ball:
            F.project_rows_(*self.users.own(users))
            F.project_rows_(*self.items.own(items))

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Negative squared distances (n, m)."""
        user = self.users(users)
        item = self.item_points[part] if self.feature_weight else self.items.part(part)
        lengths = user.square().sum(1, keepdim=True) + item.square().sum(1)
        score: Tensor = 2 * user @ item.T - lengths
        return score

    def shown(self, scores: Tensor) -> Tensor:
        """Distances."""
        return scores.neg().clamp_min(0).sqrt()
