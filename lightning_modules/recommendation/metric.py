"""Base of CML and SmoothCML: users and items as points of a ball."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.distributed import joined_rows
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.old_files import rename_encoder
from lightning_modules.core.optimisation import Learner, OptimizerSpec
from lightning_modules.core.validation import (
    check_nonnegative,
    check_positive,
    check_share,
)
from lightning_modules.data_contracts.contracts import DataKind
from lightning_modules.data_contracts.sparse_rows import nonzero_rows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.functional import collaborative as F
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.embedding_table import EmbeddingTable
from lightning_modules.recommendation.evaluation import RankingEvaluator, Sizes
from lightning_modules.recommendation.feature_prior import FeaturePrior
from lightning_modules.recommendation.fold_in import descended_rows
from lightning_modules.recommendation.item_encoder import ItemEncoder
from lightning_modules.recommendation.negatives import Negatives, Sampling
from lightning_modules.recommendation.pairwise import PairBatch, PairTraining

ALL = slice(0, None)


class Compared(NamedTuple):
    """Points that a batch compares.

    Attributes:
        users: Of its users, (k, d).
        user: Of the user of each pair, (n, d).
        positive: Of the item of each pair, (n, d).
        negative: Of the negatives, (m, d).
    """

    users: Tensor
    user: Tensor
    positive: Tensor
    negative: Tensor


class DistanceEvaluator(RankingEvaluator):
    """Evaluation by negative squared distances; tables show distances."""

    score_name: ClassVar[str] = "distance"

    @override
    def shown(self, scores: Tensor) -> Tensor:
        return scores.neg().clamp_min(0).sqrt()


class MetricRanker(AlternatingModule):
    r"""Users and items as points, positives closer than negatives.

    .. math:: \min \mathcal L_m + \lambda_f \mathcal L_f + \lambda_c \mathcal L_c,
              \qquad \lVert u_i \rVert, \lVert v_j \rVert \le 1

    (eq. 51-56). After each step the rows that it updated are projected to the ball.
    Subclasses define `negatives_of` and `metric_loss`.

    With ``feature_weight`` above 0 a network f maps item features to points. The table
    then holds :math:`v_j - f(x_j)`, so that items start at f(x), and an update of an
    item also trains f. Eq. 54 is a prior of each item, see `FeaturePrior`, where it is
    also said when an item of a batch stands at f(x) alone. Cold-start items are
    candidates less often than others, and are ranked among themselves.

    Args:
        n_negatives: U, candidates of each pair, or of a batch where they are shared;
            None takes all items.
        shared: Whether the pairs of a batch share their candidates.
        dim: Dimension of a point.
        margin: m > 0, in squared units of the ball.
        covariance_weight: Lambda_c.
        feature_weight: Lambda_f, the least weight of the prior, which rises where
            features tell something; above 0 the data must have item features.
        feature_hidden: Widths of f's hidden layers.
        feature_dropout: Share of each hidden layer that training sets to 0.
        sampling: Distribution of the candidates, see `Negatives`.
        popularity_power: Power of ``sampling: popularity``.
        ball: Whether points are projected to the unit ball.
        ks: Cut-offs of the metrics.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of both tables; it must accept sparse gradients.
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
    prior: FeaturePrior

    def __init__(
        self,
        n_negatives: int | None,
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
        has_features = feature_weight > 0
        repels = not has_features and sampling != "batch"
        evaluator = DistanceEvaluator(
            ks, item_chunk, ranks_cold_items=has_features, repels_cold_items=repels
        )
        super().__init__(evaluator)
        check_positive(margin=margin)
        check_nonnegative(
            covariance_weight=covariance_weight, feature_weight=feature_weight
        )
        if not feature_hidden or min(feature_hidden) < 1:
            raise ValueError("feature_hidden must have at least one width above 0.")
        check_share(feature_dropout=feature_dropout)
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
        """Negatives of a batch, int64 (m,), and the weights for `metric_loss`.

        Args:
            pairs: The batch, with candidates.
            user: Points of its users, (k, d).
            allowed: Mask of the candidates that may be negatives, bool (k, U).
        """
        raise NotImplementedError

    def metric_loss(self, pairs: PairBatch, points: Compared, weight: Tensor) -> Tensor:
        """Loss of a batch's points.

        Args:
            pairs: The batch, with candidates.
            points: What is compared.
            weight: What `negatives_of` returned beside the negatives.
        """
        raise NotImplementedError

    # Tables -------------------------------------------------------------------------

    def make(self, sizes: Sizes) -> None:
        """Make the tables, and f where features are used; items then start at f(x)."""
        self.pairs.make_tables(sizes)
        if self.feature_weight:
            self.item_encoder = ItemEncoder(
                sizes.width, self.pairs.dim, *self._encoder_options
            )
            self.prior = FeaturePrior(self.pairs.dim)
            nn.init.zeros_(self.items.weight)

    @override
    def configure_model(self) -> None:
        self.pairs.shard()

    @override
    def setup(self, stage: str) -> None:
        """Drop the cached points of the items."""
        self._points = None
        super().setup(stage)

    @property
    def item_points(self) -> Tensor:
        """Points of all items (n_items, d), without gradients."""
        if not self.feature_weight:
            return self.items.part(ALL)
        if self._points is None:
            encoded = self.item_encoder.every(self.evaluator.features(self.dtype))
            self._points = self._in_ball(self.items.part(ALL) + encoded)
        weight = self.users.weight  # a checkpoint's points are float32, on the CPU
        return self._points.to(weight.device, weight.dtype)

    def points(self) -> dict[str, Tensor]:
        """Points ``users`` (n_users, d) and ``items`` (n_items, d)."""
        return self.pairs.rows() | {"items": self.item_points.detach()}

    def _in_ball(self, points: Tensor) -> Tensor:
        """Points (n, d), projected to the ball if ``ball`` is set."""
        if not self.ball:
            return points
        inside: Tensor = points / points.norm(dim=1, keepdim=True).clamp_min(1)
        return inside

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the items' points, for use of the model without item features."""
        super().on_save_checkpoint(checkpoint)
        if self.feature_weight:
            checkpoint["item_points"] = self.item_points

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        rename_encoder(checkpoint)
        if self.feature_weight:  # older checkpoints have no moments
            weights = checkpoint["state_dict"]
            weights.setdefault("prior.moments", self.prior.moments.clone())
        self._points = checkpoint.get("item_points")

    # Training -----------------------------------------------------------------------

    @override
    def learners(self) -> list[Learner]:
        encoder = []
        if self.feature_weight and self.pairs.tables:
            weights = list(self.item_encoder.parameters())
            encoder.append(OptimizerSpec("feature_", weights, self._feature_optimizer))
        return [self.pairs.learner(encoder)]

    @override
    def on_fit_start(self) -> None:
        """Project the initial points to the ball."""
        super().on_fit_start()
        self.pairs.negatives.reset()
        if self.ball and self.is_fresh_fit:
            for table in (self.users, self.items):
                F.project_rows_(*table.own(None))

    @override
    def prepare(self, batch: tuple[Tensor, Tensor]) -> PairBatch:
        return self.pairs.prepare(batch)

    def pair_loss(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """Loss of eq. 52, 54 and 55, and the items that it updates."""
        self._points = None
        users = self.users(pairs.users)
        allowed = self._allowed(pairs)
        negatives, weight = self.negatives_of(pairs, users, allowed)
        updated = torch.cat([pairs.items, negatives])
        user = pairs.each(users)
        points, feature_loss = self._points_of(updated, user)
        compared = Compared(users, user, *points.tensor_split([len(pairs.items)]))
        loss = self.metric_loss(pairs, compared, weight)
        self.record(loss=loss)
        if self.covariance_weight:
            every = torch.cat([user, points])
            if self.device_mesh is None:  # otherwise all have the same rows
                every = joined_rows(every)
            penalty = F.covariance_penalty(every)
            loss = loss + self.covariance_weight * penalty
            self.record(covariance=penalty)
        if self.feature_weight:
            loss = loss + self.feature_weight * self.prior.weight() * feature_loss
            self.record(feature_loss=feature_loss)
            if self.recording:
                self.record(explained=self.prior.explained())
        return loss, updated

    def _allowed(self, pairs: PairBatch) -> Tensor:
        """Candidates that may be negatives; see `FeaturePrior` for cold-start items."""
        if not self.feature_weight:
            return pairs.allowed
        k, each = pairs.candidates.shape
        drawn = self.noise.uniform(1 if self.pairs.negatives.shared else k, each)
        seen = self.evaluator.seen_items[pairs.candidates]
        return pairs.allowed & (seen | (drawn < self.prior.doubt()))

    def _points_of(self, items: Tensor, user: Tensor) -> tuple[Tensor, Tensor]:
        """Points (m, d) of items int64 (m,), and eq. 54, 0 without features.

        The first items are those of the users' pairs.
        """
        rows = self.items(items)
        if not self.feature_weight:
            return rows, rows.new_zeros(())
        distinct, place = torch.unique(items, return_inverse=True)
        features = self.evaluator.features(self.dtype)[distinct]
        encoded = self.item_encoder(features)
        held_out = self.prior.held_out(distinct)[:, None]
        encoded = torch.where(held_out, encoded.detach(), encoded)[place]
        own, counts = slice(len(user)), self.evaluator.popularity
        self.prior.observe(user, encoded[own], items[own], self.device_mesh is None)
        feature_loss = self.prior(rows, items, counts, len(user))
        alone = self.noise.uniform(len(distinct), 1) > self.prior.doubt()
        alone &= ~held_out & nonzero_rows(features)[:, None]
        learnt = rows.masked_fill(alone[place], 0)
        return self._in_ball(encoded + learnt), feature_loss

    def after_update(self, users: Tensor, items: Tensor) -> None:
        """Project the rows that an update changed to the ball (eq. 56)."""
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
        return self.scores_of(self.users(users), part)

    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Negative squared distances (n, m) of points (n, d) to a slice of items."""
        item = self.item_points[part] if self.feature_weight else self.items.part(part)
        lengths = rows.square().sum(1, keepdim=True) + item.square().sum(1)
        score: Tensor = 2 * rows @ item.T - lengths
        return score

    def fold_in(self, history: UserItems) -> Tensor:
        """Points (n, d) of users with these items, by the loss with items fixed."""
        fixed = self.item_points.detach()

        def loss(rows: Tensor, pairs: PairBatch) -> Tensor:
            users = rows[pairs.users]
            allowed = pairs.allowed
            if self.feature_weight:
                allowed = allowed & self.evaluator.seen_items[pairs.candidates]
            negatives, weight = self.negatives_of(pairs, users, allowed)
            items = fixed[pairs.items], fixed[negatives]
            compared = Compared(users, pairs.each(users), *items)
            return self.metric_loss(pairs, compared, weight)

        shared = self.pairs.negatives.shared
        options = self.pairs.draw, loss, self._in_ball, shared
        return descended_rows(history, fixed, *options)

    def likeness(self, items: Tensor) -> Tensor:
        """Negative squared distances (n, n_items) of items int64 (n,)."""
        return self.scores_of(self.item_points[items], ALL)
