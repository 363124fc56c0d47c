"""Base of BPR and WARP: matrix factorisation with item biases."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner
from lightning_modules.core.validation import check_nonnegative
from lightning_modules.data_contracts.contracts import DataKind
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.optim.rowwise_adagrad import RowwiseAdagrad
from lightning_modules.recommendation.embedding_table import EmbeddingTable
from lightning_modules.recommendation.evaluation import RankingEvaluator, Sizes
from lightning_modules.recommendation.fold_in import cosines, descended_rows
from lightning_modules.recommendation.negatives import Negatives, Sampling
from lightning_modules.recommendation.pairwise import PairBatch, PairTraining

ALL = slice(0, None)


class FactorRanker(AlternatingModule):
    r"""Matrix factorisation, :math:`s_{ij} = \langle u_i, v_j \rangle + b_j`.

    Subclasses define `score_loss`.

    Args:
        n_negatives: U, candidates of each pair.
        dim: Dimension of a vector of factors.
        decay: Lambda, the L2 penalty of the rows in a batch; biases have none.
        sampling: Distribution of the candidates, see `Negatives`.
        popularity_power: Power of ``sampling: popularity``.
        ks: Cut-offs of the metrics.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of the tables; it must accept sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.

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

    def __init__(
        self,
        n_negatives: int,
        *,
        dim: int = 64,
        decay: float = 0.01,
        sampling: Sampling = "uniform",
        popularity_power: float = 0.75,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
        optimizer: OptimizerCallable = lambda p: RowwiseAdagrad(p),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        repels = sampling != "batch"
        super().__init__(RankingEvaluator(ks, item_chunk, repels_cold_items=repels))
        check_nonnegative(decay=decay)
        self.decay = decay
        negatives = Negatives(n_negatives, sampling, popularity_power)
        self.pairs = PairTraining(self, dim, negatives, optimizer, scheduler)

    # What a method defines ----------------------------------------------------------

    def score_loss(self, pairs: PairBatch, user: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of the scores, and the items int64 (n, 2) that it compares.

        Args:
            pairs: The batch, with candidates.
            user: Factors of its users, (n, d).
        """
        raise NotImplementedError

    # Tables -------------------------------------------------------------------------

    def make(self, sizes: Sizes) -> None:
        """Make the tables, and zeros for the items' biases."""
        self.pairs.make_tables(sizes)
        self.biases = EmbeddingTable(sizes.n_items, 1)
        nn.init.zeros_(self.biases.weight)
        self.pairs.tables["biases"] = self.biases

    def points(self) -> dict[str, Tensor]:
        """Factors ``users`` (n_users, d), ``items`` (n_items, d), ``biases``."""
        return self.pairs.rows()

    @override
    def configure_model(self) -> None:
        self.pairs.shard()

    # Training -----------------------------------------------------------------------

    @override
    def learners(self) -> list[Learner]:
        return [self.pairs.learner()]

    @override
    def on_fit_start(self) -> None:
        """Reset the popularity of the items."""
        super().on_fit_start()
        self.pairs.negatives.reset()

    @override
    def prepare(self, batch: tuple[Tensor, Tensor]) -> PairBatch:
        return self.pairs.prepare(batch)

    def pair_loss(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """Loss of a batch with its L2 penalty, and the items that it updates."""
        user = self.users(pairs.users)
        loss, both = self.score_loss(pairs, user)
        self.record(loss=loss)
        if self.decay:
            squares = user.square().sum(1) + self.items(both).square().sum((1, 2))
            loss = loss + self.decay / 2 * squares.mean()
        return loss, both.flatten()

    # Scores -------------------------------------------------------------------------

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of a slice of the items for users int64 (n,)."""
        return self.scores_of(self.users(users), part)

    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of a slice of the items for user rows (n, d)."""
        products: Tensor = rows @ self.items.part(part).T
        return products + self.biases.part(part).T

    def fold_in(self, history: UserItems) -> Tensor:
        """Factors (n, d) of users with these items, by the loss with items fixed."""

        def loss(rows: Tensor, pairs: PairBatch) -> Tensor:
            user = rows[pairs.users]
            decay = self.decay / 2 * user.square().sum(1).mean()
            return self.score_loss(pairs, user)[0] + decay

        return descended_rows(history, self.items.part(ALL), self.pairs.draw, loss)

    def likeness(self, items: Tensor) -> Tensor:
        """Cosines (n, n_items) of items int64 (n,)."""
        return cosines(self.items(items), self.items.part(ALL))

    def score(self, user: Tensor, items: Tensor) -> Tensor:
        """Scores (n, ...) of items int64 (n, ...) for user rows (n, d)."""
        wide = user.view(len(user), *[1] * (items.ndim - 1), -1)
        products = torch.linalg.vecdot(wide, self.items(items))
        score: Tensor = products + self.biases(items).squeeze(-1)
        return score
