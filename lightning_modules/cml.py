"""Collaborative metric learning (Hsieh et al. 2017, doi:10.1145/3038912.3052639)."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from lightning_modules.functional import collaborative as F
from lightning_modules.gather import rows_of_all_ranks
from lightning_modules.item_ranker import ItemRanker
from lightning_modules.ranges import above_zero, not_negative, one_of
from lightning_modules.rowwise import RowwiseAdagrad

Sampling = Literal["uniform", "popularity", "batch"]


class Points(NamedTuple):
    """Points of a batch (n, d), and their rows in the tables (n,)."""

    user: Tensor
    positive: Tensor
    negative: Tensor
    users: Tensor
    items: Tensor


class CML(ItemRanker):
    r"""Users and items as points of the unit ball, what is liked nearer than the rest.

    .. math:: \min \sum_{(i,j)} w_{ij} [m + d(i,j)^2 - d(i,k)^2]_+
              + \lambda_c \mathcal L_c, \qquad
              \lVert u_i \rVert, \lVert v_j \rVert \le 1

    (eq. 51-53, 55, 56). For every pair (user i, liked item j) of a batch U items are
    drawn, known positives among them put aside, and the hardest k taken. The weight
    :math:`w_{ij} = \log(\lfloor J M / U \rfloor + 1)` has no gradient. After each step
    the rows that it touched are projected to the ball.

    Args:
        dim: Coordinates of a point.
        margin: m > 0, in squared units of the ball.
        n_negatives: U, items drawn for each pair.
        rank_weighted: Whether the hinge is weighted; without, all pairs count equally.
        covariance_weight: Lambda_c.
        sampling: How items are drawn: ``uniform``; ``popularity``, in proportion to how
            often they were taken to the power ``popularity_power``; ``batch``, from the
            liked items of the batch.
        popularity_power: Of ``popularity``; 1 draws as often as taken, 0 uniformly.
        ball: Whether points are held in the unit ball.
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of both tables; it must take sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> CML(dim=8, margin=0.5).n_negatives
        20
    """

    score_name: ClassVar[str] = "distance"

    def __init__(
        self,
        dim: int = 64,
        margin: float = 1.0,
        n_negatives: int = 20,
        rank_weighted: bool = True,
        covariance_weight: float = 0.0,
        sampling: Sampling = "uniform",
        popularity_power: float = 0.75,
        ball: bool = True,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
        optimizer: OptimizerCallable = lambda p: RowwiseAdagrad(p),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}.")
        super().__init__(dim, ks, 0.2 * dim**-0.5, item_chunk)
        above_zero(margin=margin)
        not_negative(
            covariance_weight=covariance_weight, popularity_power=popularity_power
        )
        if n_negatives < 1:
            raise ValueError(f"n_negatives must be at least 1, got {n_negatives}.")
        one_of("sampling", sampling, get_args(Sampling))
        self.save_hyperparameters()
        self.margin, self.n_negatives = margin, n_negatives
        self.rank_weighted, self.ball = rank_weighted, ball
        self.covariance_weight = covariance_weight
        self.sampling, self.popularity_power = sampling, popularity_power
        self._factories = optimizer, scheduler
        self._shares: Tensor | None = None

    def configure_optimizers(self) -> Any:
        """The optimizer of both tables, and its schedule if there is one."""
        make, schedule = self._factories
        optimizer = make([self.users.weight, self.items.weight])
        return [optimizer], [schedule(optimizer)] if schedule else []

    def on_fit_start(self) -> None:
        """Begin inside the ball."""
        super().on_fit_start()
        self._shares = None
        if self.ball and self.starts_anew:
            F.project_rows_(self.users.weight)
            F.project_rows_(self.items.weight)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """One update on pairs (users, items)."""
        self.recording = self.is_logged(self.global_step + 1)
        users, items = batch
        negatives, weight = self.hardest(users, items)
        both = torch.cat([items, negatives])
        positive, negative = self.items(both).chunk(2)
        points = Points(self.users(users), positive, negative, users, both)
        loss = self.objective(points, weight)
        self.descend(loss)
        if self.ball:
            F.project_rows_(self.users.weight, rows_of_all_ranks(users).flatten())
            F.project_rows_(self.items.weight, rows_of_all_ranks(both).flatten())
        self.publish_records()

    def objective(self, points: Points, weight: Tensor) -> Tensor:
        """Eq. 52 and 55, means over the batch; the weight (n,) has no gradient."""
        near = (points.user - points.positive).square().sum(1)
        far = (points.user - points.negative).square().sum(1)
        hinge = (weight * F.metric_hinge(near, far, self.margin)).mean()
        self.record(loss=hinge, impostors=(weight > 0).float().mean())
        if not self.covariance_weight:
            return hinge
        penalty = F.covariance_penalty(torch.cat(points[:3]))
        self.record(covariance=penalty)
        return hinge + self.covariance_weight * penalty

    @torch.no_grad()
    def hardest(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """The negative of each pair, int64 (n,), and the weight of its hinge, (n,)."""
        drawn = self.draw(users, items)
        allowed = ~self.known("train").contain(users[:, None], drawn)
        point = self.users(users)
        near = (point - self.items(items)).square().sum(1)
        far = (point[:, None] - self.items(drawn)).square().sum(2)
        found = F.hardest_negatives(near, far, allowed, self.margin, self.n_items)
        weight = found.impostor.to(near)
        if self.rank_weighted:
            weight = F.rank_weight(found.rank) * weight
        return drawn.gather(1, found.place[:, None])[:, 0], weight

    def draw(self, users: Tensor, items: Tensor) -> Tensor:
        """Items that may be negatives, int64 (n, U)."""
        shape = len(users), self.n_negatives
        if self.sampling == "uniform":
            return self.noise.integers(self.n_items, *shape)
        if self.sampling == "batch":
            return items[self.noise.integers(len(items), *shape)]
        if self._shares is None:
            taken = torch.bincount(self.known("train").items, minlength=self.n_items)
            shares = taken.double() ** self.popularity_power
            self._shares = (shares.cumsum(0) / shares.sum()).float()
        place = torch.searchsorted(self._shares, self.noise.uniform(*shape), right=True)
        return place.clamp_max(self.n_items - 1)

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Negative squared distances (n, m)."""
        user, item = self.users(users), self.items.weight[part]
        lengths = user.square().sum(1, keepdim=True) + item.square().sum(1)
        score: Tensor = 2 * user @ item.T - lengths
        return score

    def shown(self, scores: Tensor) -> Tensor:
        """Distances."""
        return scores.neg().clamp_min(0).sqrt()
