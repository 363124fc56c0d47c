"""Rankers that learn a table of users and a table of items from pairs."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_modules.core.distributed import rows_of_all_ranks
from lightning_modules.core.validation import check_at_least
from lightning_modules.optim.linear_decay import LinearDecay
from lightning_modules.recommendation.base import ItemRanker
from lightning_modules.recommendation.embedding_table import RowTable
from lightning_modules.recommendation.negatives import Negatives


class PairRanker(ItemRanker):
    """Users and items as rows of two tables, trained on pairs beside drawn items.

    A batch is ``(users, items)``, int64 (n,) each. The tables' gradients are sparse, so
    that a step costs what it touches.

    Args:
        dim: Coordinates of a row.
        negatives: Draws the items that a pair is compared with.
        optimizer: Makes the optimizer of the tables; it must take sparse gradients.
        scheduler: Makes its learning-rate schedule, stepped once per update, or None.
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        dim: int,
        negatives: Negatives,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None,
        ks: Sequence[int],
        item_chunk: int | None,
    ) -> None:
        super().__init__(ks, item_chunk)
        check_at_least(1, dim=dim)
        self.dim, self.negatives = dim, negatives
        self._factories = optimizer, scheduler
        self.users: RowTable
        self.items: RowTable

    # What a method defines ----------------------------------------------------------

    def objective(
        self, users: Tensor, items: Tensor, drawn: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss of pairs (n,) with candidates (n, U), and the items that it moves.

        ``allowed`` bool (n, U) says which candidates the users have not taken.
        """
        raise NotImplementedError

    def after_step(self, users: Tensor, items: Tensor) -> None:
        """Called after an update with the rows that it touched on any rank."""

    # Tables -------------------------------------------------------------------------

    def make(self, n_users: int, n_items: int, width: int) -> None:  # noqa: ARG002
        """Make both tables, coordinates N(0, 0.04 / dim) as in the paper of CML."""
        self.users, self.items = (RowTable(n, self.dim) for n in (n_users, n_items))
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.2 * self.dim**-0.5)

    def configure_model(self) -> None:
        """Spread the tables over processes, under Lightning's ModelParallelStrategy.

        Raises:
            ValueError: If the strategy is to split batches too.
        """
        if self.device_mesh is None:
            return
        if self.device_mesh["data_parallel"].size() > 1:
            raise ValueError(
                "trainer.strategy.init_args.data_parallel_size must be 1: tables are "
                "spread over all processes, which get the same batches."
            )
        for table in self.tables():
            table.spread(self.device_mesh["tensor_parallel"])

    def tables(self) -> list[RowTable]:
        """What the optimizer steps."""
        return [self.users, self.items]

    def points(self) -> dict[str, Tensor]:
        """What is learnt: ``users`` (n_users, d), ``items`` (n_items, d), and more."""
        tables = {"users": self.users, "items": self.items}
        return {key: t.part(slice(0, None)).detach() for key, t in tables.items()}

    def configure_optimizers(self) -> Any:
        """The optimizer of the tables, and its schedule if there is one."""
        make, schedule = self._factories
        optimizer = make([table.weight for table in self.tables()])
        schedulers = [schedule(optimizer)] if schedule else []
        for scheduler in schedulers:
            if isinstance(scheduler, LinearDecay):
                scheduler.last(self.trainer.estimated_stepping_batches)
        return [optimizer], schedulers

    # Training -----------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Forget how often items of other data were taken."""
        super().on_fit_start()
        self.negatives.reset()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """One update on pairs (users, items)."""
        self.recording = self.is_logged(self.global_step + 1)
        users, items = batch
        candidates = self.negatives(users, items, self.known("train"), self.noise)
        loss, moved = self.objective(users, items, *candidates)
        self.descend(loss)
        touched = [users, moved]
        if self.device_mesh is None:  # otherwise all have the same
            touched = [rows_of_all_ranks(rows).flatten() for rows in touched]
        self.after_step(*touched)
        self.publish_records()

    def descend(self, loss: Tensor) -> None:
        """One update of everything that learns, counted once."""
        first, *others = self.learning()
        for optimizer in (first, *others):
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in others:
            self.step_uncounted(optimizer)
        first.step()
        self.step_schedulers()


class BiasedRanker(PairRanker):
    r"""Scores :math:`\langle u_i, v_j \rangle + b_j`: matrix factorisation."""

    def make(self, n_users: int, n_items: int, width: int) -> None:
        """Make the tables, and a column of zeros for the items."""
        super().make(n_users, n_items, width)
        self.biases = RowTable(n_items, 1)
        nn.init.zeros_(self.biases.weight)

    def tables(self) -> list[RowTable]:
        """What the optimizer steps."""
        return [*super().tables(), self.biases]

    def points(self) -> dict[str, Tensor]:
        """Factors, and ``biases`` (n_items, 1)."""
        return super().points() | {"biases": self.biases.part(slice(0, None)).detach()}

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Products plus biases (n, m)."""
        products: Tensor = self.users(users) @ self.items.part(part).T
        return products + self.biases.part(part).T

    def score(self, user: Tensor, items: Tensor) -> Tensor:
        """Scores (n, ...) of items int64 (n, ...) for user rows (n, d)."""
        wide = user.view(len(user), *[1] * (items.ndim - 1), -1)
        products = torch.linalg.vecdot(wide, self.items(items))
        score: Tensor = products + self.biases(items).squeeze(-1)
        return score
