"""Embeddings that are sent along a graph of interactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor
from torch.nn.functional import normalize
from typing_extensions import override

from lightning_modules.data_contracts.sparse_rows import SparseRows, starts_of
from lightning_modules.data_contracts.user_items import UserItems

Sides: TypeAlias = tuple[Tensor, Tensor]
"""Rows of users (n_users, d) and of items (n_items, d)."""
EPSILON = 1e-12
"""Length below which a row is not divided by it, as in `normalize`."""


class Graph(NamedTuple):
    r"""Weighted interactions, from both sides.

    What i receives from its neighbour j has weight
    :math:`|N_i|^{-\alpha} |N_j|^{-\beta}`.

    Attributes:
        of_users: A row for each user, (n_users, n_items).
        of_items: A row for each item, (n_items, n_users).
    """

    of_users: SparseRows
    of_items: SparseRows

    @classmethod
    def of(cls, train: UserItems, alpha: float = 0.5, beta: float = 0.5) -> "Graph":
        """The graph of these interactions.

        >>> pairs = UserItems.from_pairs(torch.zeros(4).long(), torch.arange(4), 1, 4)
        >>> Graph.of(pairs).of_users.to_dense()
        tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
        """
        users, items = train.users, train.items
        takers = torch.bincount(items, minlength=train.n_items)
        taken, by = train.counts[users].float(), takers[items].float()
        order = items.argsort(stable=True)
        at_users = taken**-alpha * by**-beta
        at_items = (by**-alpha * taken**-beta)[order]
        back = starts_of(takers), users[order], at_items, train.n_users
        return cls(
            SparseRows(train.starts, items, at_users, train.n_items), SparseRows(*back)
        )

    @property
    def device(self) -> torch.device:
        """Device of the entries."""
        return self.of_users.device

    def times(self, user: Tensor, item: Tensor) -> Sides:
        """What users and items receive from rows (n_users, d) and (n_items, d)."""
        return self.of_users.times(item), self.of_items.times(user)


@dataclass(frozen=True)
class Propagation:
    """Embeddings sent to neighbours K times, and the mean of these layers.

    Args:
        graph: What is received.
        back: The transposed graph, for gradients.
        shares: Weight of each of the K + 1 layers.
        unit: Whether a node sends its row divided by its length.
    """

    graph: Graph
    back: Graph
    shares: Sequence[float]
    unit: bool

    @classmethod
    def of(
        cls,
        train: UserItems,
        alpha: float,
        beta: float,
        shares: Sequence[float],
        *,
        unit: bool,
    ) -> "Propagation":
        """Over the graph of these interactions, with exponents as in `Graph`."""
        graph = Graph.of(train, alpha, beta)
        back = graph if alpha == beta else Graph.of(train, beta, alpha)
        return cls(graph, back, shares, unit)

    def __call__(self, user: Tensor, item: Tensor) -> Sides:
        """The mean of the layers above these first embeddings, with gradients."""
        return cast(Sides, _Propagated.apply(user, item, self))

    def sent(self, rows: Tensor) -> Tensor:
        """What nodes with rows (n, d) send to their neighbours."""
        return normalize(rows) if self.unit else rows

    def layers(self, first: Sides) -> list[Sides]:
        """The first embeddings, and those after each of K rounds (LightGCN's eq. 3)."""
        layers = [first]
        for _ in self.shares[1:]:
            user, item = map(self.sent, layers[-1])
            layers.append(self.graph.times(user, item))
        return layers

    def mean(self, layers: Sequence[Sides]) -> Sides:
        """The weighted mean over layers (LightGCN's eq. 4)."""
        user, item = (self.shares[0] * rows for rows in layers[0])
        for share, (users, items) in zip(self.shares[1:], layers[1:], strict=True):
            user.add_(users, alpha=share)
            item.add_(items, alpha=share)
        return user, item

    def below(self, items: Sequence[Tensor], beta: float) -> Tensor:
        """What each item brings to a new neighbour's mean, but for its |N|^-alpha."""
        sent = [
            share * self.sent(rows)
            for share, rows in zip(self.shares[1:], items[:-1], strict=True)
        ]
        takers = self.graph.of_items.starts.diff().clamp_min(1)
        return sum(sent, torch.zeros_like(items[0])) * takers[:, None] ** -beta

    def backward(self, layers: Sequence[Sides], grads: Sides) -> Sides:
        """Gradient of the first embeddings from the mean's."""
        user, item = (self.shares[-1] * grad for grad in grads)
        for share, rows in zip(self.shares[-2::-1], layers[-2::-1], strict=True):
            user, item = self.back.times(user, item)
            if self.unit:
                _through_unit_length(rows[0], user)
                _through_unit_length(rows[1], item)
            user.add_(grads[0], alpha=share)
            item.add_(grads[1], alpha=share)
        return user, item


def _through_unit_length(rows: Tensor, grad: Tensor) -> None:
    """Turn the gradient of rows / |rows| into that of the rows, in place."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min_(EPSILON)
    along = torch.linalg.vecdot(rows, grad)[:, None] / lengths.square()
    grad.addcmul_(rows, along, value=-1).div_(lengths)


class _Propagated(torch.autograd.Function):
    """`Propagation` with its gradient, without a graph of small operations."""

    @staticmethod
    @override
    def forward(ctx: Any, user: Tensor, item: Tensor, rule: Propagation) -> Any:
        layers = rule.layers((user, item))
        ctx.rule, ctx.layers = rule, layers
        return rule.mean(layers)

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return *ctx.rule.backward(ctx.layers, grads), None
