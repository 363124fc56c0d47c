"""Pairs of users and items as two columns of numbers, and their k-core."""

from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.int32]


@dataclass(frozen=True)
class PairTable:
    """Pairs in the order of users, then items, none twice.

    Args:
        users: Number of the user of each pair, int32 (n,).
        items: Of the item, int32 (n,).
        user_ids: Ids of the users in the data, sorted, (n_users,).
        item_ids: Ids of the items.
        times: Time of each pair, (n,), in any unit; None where it isn't known.

    >>> users, items = pl.Series([7, 7, 5, 7]), pl.Series(["b", "a", "b", "b"])
    >>> table = PairTable.of(users, items)
    >>> table.users, table.items, table.user_ids.to_list()
    (array([0, 1, 1], dtype=int32), array([1, 0, 1], dtype=int32), [5, 7])
    """

    users: Numbers
    items: Numbers
    user_ids: pl.Series
    item_ids: pl.Series
    times: NDArray[Any] | None = None

    @classmethod
    def of(
        cls, users: pl.Series, items: pl.Series, times: pl.Series | None = None
    ) -> Self:
        """Of pairs (n,) in any order; one that is there twice has its earliest time."""
        user_ids, item_ids = (ids.unique().sort() for ids in (users, items))
        width = max(len(item_ids), 1)
        keys = numbered(users, user_ids).cast(pl.Int64) * width
        keys = (keys + numbered(items, item_ids)).alias("key")
        if times is None:
            distinct, earliest = keys.unique().sort().to_numpy(), None
        else:
            pairs = pl.DataFrame({"key": keys, "time": times})
            pairs = pairs.group_by("key").agg(pl.col("time").min()).sort("key")
            distinct, earliest = pairs["key"].to_numpy(), pairs["time"].to_numpy()
        rows, columns = (part.astype(np.int32) for part in np.divmod(distinct, width))
        return cls(rows, columns, user_ids, item_ids, earliest)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.users)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pairs of each user, (n_users,)."""
        return np.bincount(self.users, minlength=len(self.user_ids))

    def part(self, keep: NDArray[np.bool_]) -> Self:
        """Some pairs, with the remaining users and items renumbered."""
        users, user_ids = _compact(self.users[keep], self.user_ids)
        items, item_ids = _compact(self.items[keep], self.item_ids)
        times = None if self.times is None else self.times[keep]
        return type(self)(users, items, user_ids, item_ids, times)

    def with_items(self, n: int) -> Self:
        """The same pairs among n items, whose ids are 0 ... n - 1."""
        old_ids = self.item_ids.to_numpy()
        items = old_ids[self.items].astype(np.int32)
        return replace(self, items=items, item_ids=pl.Series(np.arange(n)))

    def with_more_items(self, ids: pl.Series) -> Self:
        """The same pairs, and items that are in none of them among the others."""
        all_ids = pl.concat([self.item_ids, ids]).unique().sort()
        items = numbered(self.item_ids, all_ids).to_numpy()[self.items].astype(np.int32)
        return replace(self, items=items, item_ids=all_ids)

    def core(self, k: int) -> Self:
        """The largest part in which each user and item has k pairs at least.

        Pairs of the others are filtered iteratively, until nothing changes.
        """
        left = np.arange(len(self)) if k > 1 else np.zeros(0, dtype=np.int64)
        keep = np.ones(len(self), dtype=bool)
        while len(left):
            users, items = self.users[left], self.items[left]
            enough = (np.bincount(users) >= k)[users] & (np.bincount(items) >= k)[items]
            if enough.all():
                break
            keep[left[~enough]] = False
            left = left[enough]
        return self if keep.all() else self.part(keep)


def numbered(column: pl.Series, ids: pl.Series) -> pl.Series:
    """Where each entry is in sorted ids, uint32; null where it isn't."""
    numbers = pl.DataFrame({"id": ids}).with_row_index("number")
    entries = column.alias("id").to_frame()
    joined = entries.join(numbers, on="id", how="left", maintain_order="left")
    return joined["number"]


def _compact(numbers: Numbers, ids: pl.Series) -> tuple[Numbers, pl.Series]:
    used = np.bincount(numbers, minlength=len(ids)) > 0
    new = np.cumsum(used, dtype=np.int32) - 1
    return cast(Numbers, new[numbers].astype(np.int32)), ids.filter(pl.Series(used))
