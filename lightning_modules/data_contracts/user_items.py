"""Interactions of users and items as a sparse binary matrix."""

from dataclasses import dataclass, field
from typing import NamedTuple, Self

import torch
from torch import Tensor

from lightning_modules.data_contracts.sparse_rows import entries_of, starts_of


class Pairs(NamedTuple):
    """Interactions of a few users: position of the user among them, and item, (n,)."""

    rows: Tensor
    items: Tensor


@dataclass(frozen=True, eq=False)
class UserItems:
    """A binary matrix (n_users, n_items) in compressed rows (CSR).

    Its entries are pairs of a user and an item.

    Args:
        starts: Offset of each user in ``items``, and the end: int64 (n_users + 1,).
        items: Items of each user in rising order, without repeats, int64 (n_pairs,).
        n_items: Number of items, those without a pair included.

    >>> users, items = torch.tensor([2, 0, 0]), torch.tensor([1, 4, 3])
    >>> seen = UserItems.from_pairs(users, items, n_users=3, n_items=5)
    >>> seen.items.tolist(), seen.counts.tolist()
    ([3, 4, 1], [2, 0, 1])
    >>> seen.contain(torch.tensor([0, 1, 2]), torch.tensor([4, 4, 1])).tolist()
    [True, False, True]
    """

    starts: Tensor
    items: Tensor
    n_items: int
    _keys: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        counts = self.starts.diff()
        users = torch.arange(len(counts), device=counts.device)
        keys = users.repeat_interleave(counts) * self.n_items + self.items
        object.__setattr__(self, "_keys", keys)

    @classmethod
    def from_pairs(
        cls, users: Tensor, items: Tensor, n_users: int, n_items: int
    ) -> Self:
        """Matrix of pairs int64 (n,) in any order; repeats count once."""
        keys = torch.unique(users * n_items + items)  # sorted
        counts = torch.bincount(keys // max(n_items, 1), minlength=n_users)
        return cls(starts_of(counts), keys % max(n_items, 1), n_items)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Number of users, those without a pair included."""
        return len(self.starts) - 1

    @property
    def counts(self) -> Tensor:
        """Number of items of each user, int64 (n_users,)."""
        return self.starts.diff()

    @property
    def users(self) -> Tensor:
        """The user of each pair, int64 (n_pairs,)."""
        users = torch.arange(self.n_users, device=self.items.device)
        return users.repeat_interleave(self.counts)

    def of(self, users: Tensor) -> Pairs:
        """All pairs of users int64 (n,), in the order of these users."""
        starts, entries = entries_of(self.starts, users)
        rows = torch.arange(len(users), device=users.device)
        return Pairs(rows.repeat_interleave(starts.diff()), self.items[entries])

    def part(self, kept: Tensor) -> "UserItems":
        """The pairs that are kept, bool (n,).

        >>> pairs = UserItems(torch.tensor([0, 2, 3]), torch.tensor([0, 4, 2]), 5)
        >>> pairs.part(pairs.items > 0).items
        tensor([4, 2])
        """
        size = self.n_users, self.n_items
        return UserItems.from_pairs(self.users[kept], self.items[kept], *size)

    def contain(self, users: Tensor, items: Tensor) -> Tensor:
        """Whether each pair is in the matrix, bool; users and items broadcast."""
        keys = users * self.n_items + items
        if not len(self._keys):
            return torch.zeros_like(keys, dtype=torch.bool)
        place = torch.searchsorted(self._keys, keys).clamp_max(len(self._keys) - 1)
        # index_select is twice as fast on a CPU as brackets
        return self._keys.index_select(0, place.flatten()).view_as(keys) == keys

    def to(self, *args: object, **kwargs: object) -> "UserItems":
        """The same pairs on another device."""
        device = torch.empty(0).to(*args, **kwargs).device  # type: ignore[call-overload]
        return UserItems(self.starts.to(device), self.items.to(device), self.n_items)
