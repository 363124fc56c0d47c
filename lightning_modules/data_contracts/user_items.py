"""Which items belong to which users, held as their numbers."""

from dataclasses import dataclass, field
from typing import NamedTuple, Self

import torch
from torch import Tensor

from lightning_modules.data_contracts.sparse_rows import entries_of, starts_of


class Pairs(NamedTuple):
    """Pairs of a few users: the place of the user among them, and the item, (n,)."""

    rows: Tensor
    items: Tensor


@dataclass(frozen=True, eq=False)
class UserItems:
    """A matrix (n_users, n_items) of zeros and ones in compressed rows (CSR).

    Args:
        starts: Where each user begins in ``items``, and the end: int64 (n_users + 1,).
        items: Items of each user in rising order, none twice, int64 (n_pairs,).
        n_items: Number of items, the ones without a pair included.

    >>> users, items = torch.tensor([2, 0, 0]), torch.tensor([1, 4, 3])
    >>> liked = UserItems.from_pairs(users, items, n_users=3, n_items=5)
    >>> liked.items.tolist(), liked.counts.tolist()
    ([3, 4, 1], [2, 0, 1])
    >>> liked.contain(torch.tensor([0, 1, 2]), torch.tensor([4, 4, 1])).tolist()
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
        """Of pairs int64 (n,) in any order; one that is there twice counts once."""
        keys = torch.unique(users * n_items + items)  # sorted
        counts = torch.bincount(keys // max(n_items, 1), minlength=n_users)
        return cls(starts_of(counts), keys % max(n_items, 1), n_items)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Number of users, the ones without a pair included."""
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
        """All pairs of the named users, int64 (n,), in their order."""
        starts, entries = entries_of(self.starts, users)
        rows = torch.arange(len(users), device=users.device)
        return Pairs(rows.repeat_interleave(starts.diff()), self.items[entries])

    def contain(self, users: Tensor, items: Tensor) -> Tensor:
        """Whether each pair is one of these, bool; users and items broadcast."""
        asked = users * self.n_items + items
        if not len(self._keys):
            return torch.zeros_like(asked, dtype=torch.bool)
        place = torch.searchsorted(self._keys, asked).clamp_max(len(self._keys) - 1)
        # index_select is twice as fast on a CPU as brackets
        return self._keys.index_select(0, place.flatten()).view_as(asked) == asked

    def to(self, *args: object, **kwargs: object) -> "UserItems":
        """The same pairs on another device."""
        device = torch.empty(0).to(*args, **kwargs).device  # type: ignore[call-overload]
        return UserItems(self.starts.to(device), self.items.to(device), self.n_items)
