"""Users and items as points of a ball: what CML and SmoothCML share."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner, OptimizerSpec
from lightning_modules.core.validation import check_nonnegative, check_positive
from lightning_modules.data_contracts.contracts import DataKind
from lightning_modules.functional import collaborative as F
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.embedding_table import EmbeddingTable
from lightning_modules.recommendation.evaluation import RankingEvaluator, Sizes
from lightning_modules.recommendation.item_encoder import ItemEncoder
from lightning_modules.recommendation.negatives import Negatives, Sampling
from lightning_modules.recommendation.pairwise import PairBatch, PairTraining

EVERY = slice(0, None)


class DistanceEvaluator(RankingEvaluator):
    """Scores are negative squared distances; people are shown distances."""

    score_name: ClassVar[str] = "distance"

    @override
    def shown(self, scores: Tensor) -> Tensor:
        return scores.neg().clamp_min(0).sqrt()


class MetricRanker(AlternatingModule):
    r"""Users and items as points, positives closer than negatives.

    .. math:: \min \mathcal L_m + \lambda_f \mathcal L_f + \lambda_c \mathcal L_c,
              \qquad \lVert u_i \rVert, \lVert v_j \rVert \le 1

    (eq. 51-56). After each step the rows that it touched are projected to the ball.
    Subclasses define `metric_loss`.

    With ``feature_weight`` above 0 a network f learns where items with such features
    are. The table then holds :math:`v_j - f(x_j)`, so that :math:`\mathcal L_f` is the
    mean of its squares (eq. 54), items begin at f(x), and what moves an item teaches f
    about all that are like it. Cold-start items are never drawn, and are ranked at
    f(x).

    Args:
        n_negatives: U, items drawn for each pair, or for a batch where they are shared.
        shared: Whether the pairs of a batch share their candidates.
        dim: Coordinates of a point.
        margin: m > 0, in squared units of the ball.
        covariance_weight: Lambda_c.
        feature_weight: Lambda_f; above 0 the data must have item features.
        feature_hidden: Widths of f's hidden layers.
        feature_dropout: Share of each hidden layer that training sets to 0.
        sampling: How items are drawn, see `Negatives`.
        popularity_power: Of ``sampling: popularity``.
        ball: Whether points are held in the unit ball.
        ks: Cut-offs of the metrics.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of both tables; it must take sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.
        feature_optimizer: Makes the optimizer of f.

    Raises:
        ValueError: If an argument is out of its range.
    """

    monitor: ClassVar[str] = "val/ndcg@20"
    mode: ClassVar[str] = "max"
    takes: ClassVar[Sequence[DataKind]] = ("interactions",)
    alternates: ClassVar[bool] = False
    evaluator: RankingEvaluator
    users: EmbeddingTable
    items: EmbeddingTable
    item_encoder: ItemEncoder

    def __init__(
        self,
        n_negatives: int,
        *,
        shared: bool,
        dim: int = 64,
        margin: float = 1.0,
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
        places = feature_weight > 0
        super().__init__(DistanceEvaluator(ks, item_chunk, places_new_items=places))
        check_positive(margin=margin)
        check_nonnegative(
            covariance_weight=covariance_weight, feature_weight=feature_weight
        )
        if not feature_hidden or min(feature_hidden) < 1:
            raise ValueError("feature_hidden must name at least one width above 0.")
        if not 0 <= feature_dropout < 1:
            raise ValueError(
                f"feature_dropout must be in [0, 1), got {feature_dropout}."
            )
        self.margin, self.ball = margin, ball
        self.covariance_weight, self.feature_weight = covariance_weight, feature_weight
        negatives = Negatives(n_negatives, sampling, popularity_power, shared=shared)
        self.pairs = PairTraining(
            self, dim, negatives, optimizer, scheduler, self.after_update
        )
        self._encoder_options = tuple(feature_hidden), feature_dropout
        self._feature_optimizer = feature_optimizer
        self._points: Tensor | None = None

    # What a method defines ----------------------------------------------------------

    def negatives_of(
        self, pairs: PairBatch, user: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The negatives of a batch, int64 (m,), and what `metric_loss` weighs with.

        Args:
            pairs: The batch, with candidates.
            user: Points of its users, (n, d).
            allowed: Which candidates may be negatives, bool (n, U).
        """
        raise NotImplementedError

    def metric_loss(
        self, user: Tensor, positive: Tensor, negative: Tensor, weight: Tensor
    ) -> Tensor:
        """The loss of points (n, d) with negatives (m, d)."""
        raise NotImplementedError

    # Tables -------------------------------------------------------------------------

    def make(self, sizes: Sizes) -> None:
        """Make the tables, and f where it is asked for; items then begin at f(x)."""
        self.pairs.make_tables(sizes)
        if self.feature_weight:
            self.item_encoder = ItemEncoder(
                sizes.width, self.pairs.dim, *self._encoder_options
            )
            nn.init.zeros_(self.items.weight)

    @override
    def configure_model(self) -> None:
        """Shard the tables where the strategy says so."""
        self.pairs.shard()

    @override
    def setup(self, stage: str) -> None:
        """Forget where items of other data were."""
        self._points = None
        super().setup(stage)

    @property
    def item_points(self) -> Tensor:
        """All items (n_items, d), without gradients."""
        if not self.feature_weight:
            return self.items.part(EVERY)
        if self._points is None:
            places = self.item_encoder.every(self.evaluator.features(self.dtype))
            self._points = self._in_ball(self.items.part(EVERY) + places)
        weight = self.users.weight  # a checkpoint's points are float32, on the CPU
        return self._points.to(weight.device, weight.dtype)

    def points(self) -> dict[str, Tensor]:
        """Points of the ball, ``users`` (n_users, d) and ``items`` (n_items, d)."""
        return self.pairs.rows() | {"items": self.item_points.detach()}

    def _in_ball(self, points: Tensor) -> Tensor:
        """Points (n, d), in the ball if they are to be."""
        if not self.ball:
            return points
        inside: Tensor = points / points.norm(dim=1, keepdim=True).clamp_min(1)
        return inside

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep where items are, for those who load the model without the features."""
        super().on_save_checkpoint(checkpoint)
        if self.feature_weight:
            checkpoint["item_points"] = self.item_points

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take where items are."""
        super().on_load_checkpoint(checkpoint)
        self._points = checkpoint.get("item_points")

    # Training -----------------------------------------------------------------------

    @override
    def learners(self) -> list[Learner]:
        """Both tables, and f from the same loss, on every batch."""
        encoder = []
        if self.feature_weight and self.pairs.tables:
            weights = list(self.item_encoder.parameters())
            encoder.append(OptimizerSpec("feature_", weights, self._feature_optimizer))
        return [self.pairs.learner(encoder)]

    @override
    def on_fit_start(self) -> None:
        """Begin inside the ball."""
        super().on_fit_start()
        self.pairs.negatives.reset()
        if self.ball and self.is_fresh_fit:
            for table in (self.users, self.items):
                F.project_rows_(*table.own(None))

    @override
    def prepare(self, batch: tuple[Tensor, Tensor]) -> PairBatch:
        """Pairs (users, items) with their candidates."""
        return self.pairs.prepare(batch)

    def pair_loss(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """Eq. 52, 54 and 55, means over the batch, and the items that it moves."""
        self._points = None
        user, allowed = self.users(pairs.users), pairs.allowed
        if self.feature_weight:
            allowed = allowed & self.evaluator.seen_items[pairs.drawn]
        negatives, weight = self.negatives_of(pairs, user, allowed)
        moved = torch.cat([pairs.items, negatives])
        points, feature_loss = self._located(moved)
        positive, negative = points.tensor_split([len(pairs.items)])
        loss = self.metric_loss(user, positive, negative, weight)
        self.record(loss=loss)
        if self.covariance_weight:
            penalty = F.covariance_penalty(torch.cat([user, points]))
            loss = loss + self.covariance_weight * penalty
            self.record(covariance=penalty)
        if self.feature_weight:
            loss = loss + self.feature_weight * feature_loss
            self.record(feature_loss=feature_loss)
        return loss, moved

    def _located(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Points (n, d) of items int64 (n,), and eq. 54, 0 without features."""
        rows = self.items(items)
        if not self.feature_weight:
            return rows, rows.new_zeros(())
        each, place = torch.unique(items, return_inverse=True)
        features = self.evaluator.features(self.dtype)
        encoded = self.item_encoder(features[each])[place]
        points = encoded + rows
        return self._in_ball(points), F.feature_loss(encoded, points)

    def after_update(self, users: Tensor, items: Tensor) -> None:
        """Project the rows that an update touched to the ball (eq. 56)."""
        self._points = None
        if self.ball:
            F.project_rows_(*self.users.own(users))
            F.project_rows_(*self.items.own(items))

    # Scores -------------------------------------------------------------------------

    def costs(self, user: Tensor, items: Tensor) -> Tensor:
        """Squared distances (n, U) of items int64 (n, U) to points (n, d)."""
        exact = "donot_use_mm_for_euclid_dist"
        candidates = self.items(items)
        if self.feature_weight:
            candidates = nn.functional.embedding(items, self.item_points)
        return torch.cdist(user[:, None], candidates, compute_mode=exact)[:, 0].square()

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Negative squared distances (n, m) of users int64 (n,) to a slice of items."""
        user = self.users(users)
        item = self.item_points[part] if self.feature_weight else self.items.part(part)
        lengths = user.square().sum(1, keepdim=True) + item.square().sum(1)
        score: Tensor = 2 * user @ item.T - lengths
        return score
