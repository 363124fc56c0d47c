"""Training on interactions beside drawn items: tables, negatives, one learner."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from lightning_modules.core.distributed import rows_of_all_ranks
from lightning_modules.core.optimisation import Learner, OptimizerSpec
from lightning_modules.core.random import RandomStream
from lightning_modules.core.validation import check_at_least
from lightning_modules.recommendation.embedding_table import EmbeddingTable
from lightning_modules.recommendation.evaluation import RankingEvaluator, Sizes
from lightning_modules.recommendation.negatives import Negatives


class PairBatch(NamedTuple):
    """Interactions (n,), candidates (n, U), and which the users have not seen."""

    users: Tensor
    items: Tensor
    drawn: Tensor
    allowed: Tensor


class PairRanker(Protocol):
    """What trains on pairs: a module with tables."""

    evaluator: RankingEvaluator
    users: EmbeddingTable
    items: EmbeddingTable
    noise: RandomStream

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The processes that tables are sharded over, or None."""

    def pair_loss(self, pairs: PairBatch) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and the items (m,) that it moves."""


class PairTraining:
    """Tables of users and items, trained on pairs beside drawn items.

    A batch is ``(users, items)``, int64 (n,) each. The tables' gradients are sparse, so
    that an update costs what it touches.

    Args:
        module: The method.
        dim: Coordinates of a row.
        negatives: Draws the items that a pair is compared with.
        optimizer: Makes the optimizer of the tables; it must take sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.
        after_update: Called after an update with the users and the items whose rows it
            touched on any rank.

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
        self._touched: list[Tensor] = []

    def make_tables(self, sizes: Sizes) -> None:
        """Make both tables, coordinates N(0, 0.04 / dim) as in the paper of CML."""
        users, items = (EmbeddingTable(n, self.dim) for n in sizes[:2])
        for table in (users, items):
            nn.init.normal_(table.weight, std=0.2 * self.dim**-0.5)
        self.module.users, self.module.items = users, items
        self.tables = {"users": users, "items": items}

    def learner(self, others: Sequence[OptimizerSpec] = ()) -> Learner:
        """All tables, and what else learns from the same loss, on every batch."""
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
        """Shard the tables over processes, where ModelParallelStrategy says so.

        Raises:
            ValueError: If the strategy is to split batches too.
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
        every = slice(0, None)
        return {key: table.part(every).detach() for key, table in self.tables.items()}

    def prepare(self, batch: tuple[Tensor, Tensor]) -> PairBatch:
        """Pairs (users, items) with their candidates."""
        users, items = batch
        train = self.module.evaluator.interactions("train")
        candidates = self.negatives(users, items, train, self.module.noise)
        return PairBatch(users, items, *candidates)

    def _objective(self, pairs: PairBatch) -> Tensor:
        loss, moved = self.module.pair_loss(pairs)
        self._touched = [pairs.users, moved]
        return loss

    def _end_update(self) -> None:
        touched = self._touched
        if self.module.device_mesh is None:  # otherwise all have the same
            touched = [rows_of_all_ranks(rows).flatten() for rows in touched]
        assert self._after_update is not None
        self._after_update(*touched)
