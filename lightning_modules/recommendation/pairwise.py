"""Training of embedding tables on interactions with sampled negatives."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from lightning_modules.core.distributed import rows_of_all_ranks
from lightning_modules.core.optimisation import Learner, OptimizerSpec
from lightning_modules.core.random import RandomStream
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.batches import interactions_of
from lightning_modules.recommendation.embedding_table import EmbeddingTable
from lightning_modules.recommendation.evaluation import RankingEvaluator, Sizes
from lightning_modules.recommendation.negatives import Negatives


class PairBatch(NamedTuple):
    """Interactions (n,), candidates (k, U), and a mask of those not seen.

    Where candidates are shared, the k users are distinct, and the owner of a pair is
    the position of its user; otherwise k = n, and each pair has a user of its own.
    """

    users: Tensor
    items: Tensor
    candidates: Tensor
    allowed: Tensor
    owner: Tensor | None = None

    def each(self, rows: Tensor) -> Tensor:
        """Rows (n, ...) of the pairs, from rows (k, ...) of the users."""
        return rows if self.owner is None else rows[self.owner]

    def apart(self) -> "PairBatch":
        """The same pairs, each with a user and candidates of its own, k = n."""
        users, candidates, allowed = map(self.each, (self.users, *self[2:4]))
        return PairBatch(users, self.items, candidates, allowed)


class PairRanker(Protocol):
    """A module with embedding tables that is trained on interactions."""

    evaluator: RankingEvaluator
    users: EmbeddingTable
    items: EmbeddingTable
    noise: RandomStream

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """Processes that the tables are sharded over, or None."""

    def pair_loss(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """Loss of a batch, and the items (m,) that it updates."""


class PairTraining:
    """Embedding tables of users and items, trained with sampled negatives.

    A batch is ``(users, items)``, int64 (n,) each. The tables' gradients are sparse, so
    that the cost of an update grows with the rows that it changes.

    Args:
        module: The method.
        dim: Dimension of a row.
        negatives: Samples the candidates.
        optimizer: Makes the optimizer of the tables; it must accept sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.
        after_update: Called after an update with the users and the items whose rows it
            changed on any rank.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        module: PairRanker,
        dim: int,
        negatives: Negatives,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None,
        after_update: Callable[[Tensor, Tensor], None] | None = None,
    ) -> None:
        check_at_least(1, dim=dim)
        self.module, self.dim, self.negatives = module, dim, negatives
        self._factories = optimizer, scheduler
        self._after_update = after_update
        self.tables: dict[str, EmbeddingTable] = {}
        self._updated: list[Tensor] = []

    def make_tables(self, sizes: Sizes) -> None:
        """Make both tables, with entries N(0, 0.04 / dim) as in the CML paper."""
        users, items = (EmbeddingTable(n, self.dim) for n in sizes[:2])
        for table in (users, items):
            nn.init.normal_(table.weight, std=0.2 * self.dim**-0.5)
        self.module.users, self.module.items = users, items
        self.tables = {"users": users, "items": items}

    def learner(self, others: Sequence[OptimizerSpec] = ()) -> Learner:
        """Learner of all tables, and of ``others``, with one loss on every batch."""
        weights = [table.weight for table in self.tables.values()]
        own = OptimizerSpec("", weights, *self._factories)
        return Learner(
            "tables",
            self._objective,
            [own, *others],
            waits=True,
            counts=True,
            after_update=self._end_update if self._after_update else None,
        )

    def shard(self) -> None:
        """Shard the tables over processes under ModelParallelStrategy.

        Raises:
            ValueError: If the strategy splits batches too.
        """
        mesh = self.module.device_mesh
        if mesh is None:
            return
        if mesh["data_parallel"].size() > 1:
            raise ValueError(
                "trainer.strategy.init_args.data_parallel_size must be 1: tables are "
                "sharded over all processes, which get the same batches."
            )
        for table in self.tables.values():
            table.shard(mesh["tensor_parallel"])

    def rows(self) -> dict[str, Tensor]:
        """All rows of each table, without gradients."""
        all_rows = slice(0, None)
        return {key: table.part(all_rows) for key, table in self.tables.items()}

    def prepare(self, batch: tuple[Tensor, Tensor]) -> PairBatch:
        """Interactions (users, items) with their candidates."""
        users, items = interactions_of(batch)
        owner = None
        if self.negatives.shared:
            users, owner = torch.unique(users, return_inverse=True)
        train = self.module.evaluator.interactions("train")
        candidates = self.negatives(users, items, train, self.module.noise)
        return PairBatch(users, items, *candidates, owner)

    def draw(self, noise: RandomStream) -> Tensor:
        """Candidates (1, U) that one step of a fold-in compares all users with."""
        train = self.module.evaluator.interactions("train")
        return self.negatives.draw(train.items, train, noise, lines=1)

    def _objective(self, pairs: PairBatch) -> Tensor:
        loss, items = self.module.pair_loss(pairs)
        self._updated = [pairs.each(pairs.users), items]  # as many on every rank
        return loss

    def _end_update(self) -> None:
        updated = self._updated
        if self.module.device_mesh is None:  # otherwise all have the same
            updated = [rows_of_all_ranks(rows).flatten() for rows in updated]
        assert self._after_update is not None
        self._after_update(*updated)
