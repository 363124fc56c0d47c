"""CML's steps (d = 64, U = 20, 4,096 pairs): our Trainer, by a bare loop, and dense.

The bare loop does the same arithmetic on the same tables: candidates drawn and compared
with the items that their users have seen, the hardest chosen, the hinge weighted by
rank, a sparse row-wise update, and the projection of the rows that were touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.fitting import shuffled
from datamodules.recommendation.base import InteractionData, SplitPairs
from lightning_modules import CML, RowwiseAdagrad
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.evaluation import Sizes
from lightning_modules.recommendation.hinge import CACHED

BATCH, DIM, U = 4096, 64, 20


class Shop(InteractionData):
    """Distinct pairs without a pattern: only the time matters."""

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_pairs: int = 1_000_000,
        by_user: bool = False,
    ) -> None:
        super().__init__(BATCH, by_user=by_user)
        self.sizes, self.n_pairs = (n_users, n_items), n_pairs

    def read(self) -> SplitPairs:
        """Pairs to train on, and one for each of the other parts."""
        g = torch.Generator().manual_seed(0)
        n_users, n_items = self.sizes
        numbers = torch.randint(n_users * n_items, (self.n_pairs,), generator=g)
        numbers = torch.unique(numbers)
        pairs = numbers[torch.randperm(len(numbers), generator=g)]
        train, val, test = (
            UserItems.from_pairs(part // n_items, part % n_items, *self.sizes)
            for part in (pairs[:-2], pairs[-2:-1], pairs[-1:])
        )
        return SplitPairs(train, val, test)


@dataclass
class Loop:
    """Two tables, their optimizer, and the items that users have seen."""

    users: nn.Embedding
    items: nn.Embedding
    optimizer: Optimizer
    seen: UserItems

    @classmethod
    def of(cls, shop: Shop) -> "Loop":
        """The same tables as our module's."""
        torch.manual_seed(0)
        users, items = (nn.Embedding(n, DIM, sparse=True) for n in shop.sizes)
        for table in (users, items):
            nn.init.normal_(table.weight, std=0.2 * DIM**-0.5)
        optimizer = RowwiseAdagrad([users.weight, items.weight])
        return cls(users, items, optimizer, shop.read().train)

    def step(self, users: Tensor, items: Tensor) -> None:
        """One update on pairs."""
        drawn = torch.randint(self.seen.n_items, (len(users), U))
        allowed = ~self.seen.contain(users[:, None], drawn)
        with torch.no_grad():
            negatives, weight = self._hardest(users, items, drawn, allowed)
        user = self.users(users)
        positive, negative = self.items(torch.cat([items, negatives])).chunk(2)
        near, far = ((user - item).square().sum(1) for item in (positive, negative))
        loss = (weight * (1 + near - far).clamp_min(0)).mean()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        with torch.no_grad():
            for table, rows in ((self.users, users), (self.items, items)):
                _project(table.weight, rows)
            _project(self.items.weight, negatives)

    def batches(self) -> Iterator[tuple[Tensor, ...]]:
        """Shuffled pairs, without end."""
        users, items = self.seen.users, self.seen.items
        return ((users[r], items[r]) for r in shuffled(len(users), BATCH))

    def _hardest(
        self, users: Tensor, items: Tensor, drawn: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        user, candidates = self.users(users), torch.cat([items[:, None], drawn], 1)
        size = CACHED // (candidates.shape[1] * DIM)
        costs = torch.cat(
            [
                torch.cdist(u[:, None], self.items(c), compute_mode=_EXACT)[:, 0]
                for u, c in zip(
                    *(torch.split(x, size) for x in (user, candidates)), strict=True
                )
            ]
        ).square()
        hinges = (1 + costs[:, :1] - costs[:, 1:]).masked_fill(~allowed, -1)
        largest, place = hinges.max(1)
        impostors = (hinges > 0).sum(1)
        rank = torch.floor(self.seen.n_items * impostors / U)
        weight = torch.log(rank + 1) * (largest > 0)
        return drawn.gather(1, place[:, None])[:, 0], weight


_EXACT = "donot_use_mm_for_euclid_dist"


def _project(table: Tensor, rows: Tensor) -> None:
    """Rows of norm above 1 to the ball, eq. 56."""
    rows = torch.unique(rows)
    points = table.index_select(0, rows)
    norms = torch.linalg.vector_norm(points, dim=1, keepdim=True)
    out = (norms > 1).squeeze(1)
    table[rows[out]] = points[out] / norms[out]


def module(dense: bool = False) -> CML:
    """Our module, or the same with gradients as large as the tables."""
    torch.manual_seed(0)
    if not dense:
        return CML(dim=DIM, n_negatives=U)
    return Dense(
        dim=DIM, n_negatives=U, optimizer=lambda p: torch.optim.Adagrad(p, lr=0.1)
    )


class Dense(CML):
    """CML whose gradients are as large as its tables."""

    def make(self, sizes: Sizes) -> None:
        """The same tables."""
        super().make(sizes)
        self.users.sparse = self.items.sparse = False
