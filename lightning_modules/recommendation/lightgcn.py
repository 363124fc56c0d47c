"""LightGCN (He et al. 2020, arXiv:2002.02126)."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.functional import softplus
from typing_extensions import override

from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner
from lightning_modules.core.validation import check_at_least, check_nonnegative
from lightning_modules.data_contracts.contracts import DataKind
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.embedding_table import EmbeddingTable
from lightning_modules.recommendation.evaluation import RankingEvaluator, Sizes
from lightning_modules.recommendation.fold_in import cosines
from lightning_modules.recommendation.negatives import Negatives
from lightning_modules.recommendation.pairwise import PairBatch, PairTraining
from lightning_modules.recommendation.propagation import Propagation

KEPT = ("user_rows", "item_rows", "below")
"""Buffers of what is propagated, so that a saved model needs no interactions."""
FIRST = 0.1
"""Standard deviation of the first embeddings, as in the authors' code."""


class LightGCN(AlternatingModule):
    r"""Factors smoothed over the graph of interactions, trained by BPR.

    .. math:: E = \frac{1}{K + 1} \sum_{k=0}^K \tilde A^k E^{(0)}, \qquad
              \min \sum_{(i,j)} -\log \sigma(s_{ij} - s_{ik}) + \frac\lambda2
              (\lVert u_i^{(0)} \rVert^2 + \lVert v_j^{(0)} \rVert^2
              + \lVert v_k^{(0)} \rVert^2)

    with means over the batch and :math:`s_{ij} = \langle u_i, v_j \rangle` of rows of
    E. :math:`\tilde A` is the adjacency of users and items, each edge divided by the
    square root of the degrees of its ends. A negative that the user has seen gives no
    loss. Each update is of all embeddings.

    Args:
        n_layers: K.
        dim: Dimension of an embedding.
        decay: Lambda, the L2 penalty of the first embeddings in a batch.
        ks: Cut-offs of the metrics.
        item_chunk: Items ranked at a time; None ranks all at once.
        optimizer: Makes the optimizer of the embeddings; gradients are dense.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> LightGCN(dim=8).n_layers
        3
    """

    monitor: ClassVar[str] = "val/ndcg@20"
    mode: ClassVar[str] = "max"
    takes: ClassVar[Sequence[DataKind]] = ("interactions",)
    alternates: ClassVar[bool] = False
    exponents: tuple[float, float] = (0.5, 0.5)
    """Alpha and beta, see `Graph`."""
    unit: ClassVar[bool] = False
    """Whether a node sends its row divided by its length."""
    evaluator: RankingEvaluator
    users: EmbeddingTable
    items: EmbeddingTable

    def __init__(
        self,
        *,
        n_layers: int = 3,
        dim: int = 64,
        decay: float = 1e-4,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(RankingEvaluator(ks, item_chunk))
        check_at_least(0, n_layers=n_layers)
        check_nonnegative(decay=decay)
        self.n_layers, self.decay = n_layers, decay
        self.pairs = PairTraining(self, dim, Negatives(1), optimizer, scheduler)
        self._propagation: Propagation | None = None
        self._fresh = False
        self.save_hyperparameters()

    # Tables and graph ---------------------------------------------------------------

    def make(self, sizes: Sizes) -> None:
        """Make the tables of the first embeddings."""
        self.pairs.make_tables(sizes)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=FIRST)
            table.sparse = False  # each update is of all rows
        for name, n in zip(KEPT, (*sizes[:2], sizes.n_items), strict=True):
            self.register_buffer(name, torch.zeros(n, self.pairs.dim))
        self._fresh = False

    @override
    def configure_model(self) -> None:
        """Refuse sharded tables: each update is of all embeddings."""
        if self.device_mesh is not None:
            raise ValueError(
                f"trainer.strategy: the tables of {type(self).__name__} can't be "
                "sharded, since each update is of all embeddings; use auto or ddp."
            )

    @override
    def setup(self, stage: str) -> None:
        """Drop the graph of other interactions."""
        self._propagation = None
        super().setup(stage)

    def shares(self) -> list[float]:
        """Weight of each layer, from the first embeddings on."""
        return [1 / (self.n_layers + 1)] * (self.n_layers + 1)

    @property
    def propagation(self) -> Propagation:
        """Propagation over the graph of the training interactions."""
        if self._propagation is None or self._propagation.graph.device != self.device:
            train, shares = self.evaluator.interactions("train"), self.shares()
            self._propagation = Propagation.of(
                train, *self.exponents, shares, unit=self.unit
            )
        return self._propagation

    @torch.no_grad()
    def _smoothed(self) -> dict[str, Tensor]:
        """Embeddings E of both sides, and what `fold_in` multiplies; kept for reuse."""
        kept = {name: self.get_buffer(name) for name in KEPT}
        if not self._fresh:
            layers = self.propagation.layers((self.users.weight, self.items.weight))
            items = [of_items for _, of_items in layers]
            below = self.propagation.below(items, self.exponents[1])
            rows = *self.propagation.mean(layers), below
            for name, found in zip(KEPT, rows, strict=True):
                kept[name].copy_(found)
            self._fresh = True
        return kept

    def points(self) -> dict[str, Tensor]:
        """Embeddings ``users`` (n_users, d), ``items`` (n_items, d); no ``biases``."""
        kept = self._smoothed()
        biases = kept["item_rows"].new_zeros(self.evaluator.n_items, 1)
        return {
            "users": kept["user_rows"],
            "items": kept["item_rows"],
            "biases": biases,
        }

    def on_train_end(self) -> None:
        """Propagate what was trained, so that the state is the same in every use."""
        self._smoothed()

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save E, for use of the model without the training interactions."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["state_dict"].update(self._smoothed())

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._fresh = True

    # Training -----------------------------------------------------------------------

    @override
    def learners(self) -> list[Learner]:
        return [self.pairs.learner()]

    @override
    def prepare(self, batch: tuple[Tensor, Tensor]) -> PairBatch:
        return self.pairs.prepare(batch)

    def pair_loss(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """BPR of a batch with its L2 penalty, and the items that it compares."""
        self._fresh = False
        tables = self.users.weight, self.items.weight
        every_user, every_item = self.propagation(*tables)
        both = torch.cat([pairs.items[:, None], pairs.candidates], 1)
        user, item = every_user[pairs.users], every_item[both]
        gap = torch.linalg.vecdot(user[:, None], item).diff(dim=1)
        loss = (softplus(gap) * pairs.allowed).mean()
        self.record(loss=loss)
        first = tables[0][pairs.users], tables[1][both].flatten(1)
        squares = sum(rows.square().sum(1).mean() for rows in first)
        return loss + self.decay / 2 * squares, both.flatten()

    # Scores -------------------------------------------------------------------------

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of a slice of the items for users int64 (n,)."""
        return self.scores_of(self._smoothed()["user_rows"][users], part)

    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Scores (n, m) of a slice of the items for user rows (n, d)."""
        return rows @ self._smoothed()["item_rows"][part].T

    def fold_in(self, history: UserItems) -> Tensor:
        """Rows (n, d) that propagation gives new users, without embeddings of theirs.

        A new user leaves the items' embeddings as they are.
        """
        below = self._smoothed()["below"]
        rows = below.new_zeros(history.n_users, below.shape[1])
        rows.index_add_(0, history.users, below[history.items])
        return rows * history.counts.clamp_min(1)[:, None] ** -self.exponents[0]

    def likeness(self, items: Tensor) -> Tensor:
        """Cosines (n, n_items) of items int64 (n,)."""
        every = self._smoothed()["item_rows"]
        return cosines(every[items], every)
