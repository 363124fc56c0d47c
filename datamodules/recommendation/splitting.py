"""Pairs cut in three: by share of each user, the last of each user, or by time."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from datamodules.core.samplers import seeded_generator
from datamodules.readers.tables.pair_table import PairTable
from datamodules.recommendation.base import Catalogue, SplitPairs
from lightning_modules.data_contracts.sparse_rows import starts_of
from lightning_modules.data_contracts.user_items import UserItems

Split = Literal["ratio", "leave_one_out", "time"]
Parts: TypeAlias = NDArray[np.int8]
Counts: TypeAlias = NDArray[np.int64]
TRAIN, VAL, TEST, NOWHERE = 0, 1, 2, 3


@dataclass(frozen=True)
class PairSplit:
    """Which pairs are learnt from, chosen by, and measured on.

    What is random depends on the seed and on the pairs, not on their order in a file.

    Args:
        split: See `Interactions`.
        val_share: Share of the pairs for validation.
        test_share: Share of the pairs for test.
        seed: Seed of what is random.
        keep_cold_users: Whether ``time`` keeps pairs of users without a training pair.

    Raises:
        ValueError: A share is out of its range.
    """

    split: Split = "ratio"
    val_share: float = 0.1
    test_share: float = 0.2
    seed: int = 0
    keep_cold_users: bool = False

    def __post_init__(self) -> None:
        if self.split not in get_args(Split):
            listed = ", ".join(get_args(Split))
            raise ValueError(f"data.split is '{self.split}'; use one of {listed}.")
        if not 0 <= self.val_share < 1:
            raise ValueError(f"data.val_share must be in [0, 1), got {self.val_share}.")
        if not 0 < self.test_share < 1:
            raise ValueError(
                f"data.test_share must be in (0, 1), got {self.test_share}."
            )
        if self.val_share + self.test_share >= 1:
            raise ValueError(
                "data.val_share and data.test_share leave no pair to train on: set "
                "them to less than 1 together."
            )

    def cut(self, table: PairTable) -> tuple[PairTable, Parts]:
        """The pairs that are in a part, and the part of each."""
        parts = self.parts(table)
        kept = parts != NOWHERE
        if kept.all() or not kept.any():
            return table, parts
        return table.part(kept), parts[kept]

    def parts(self, table: PairTable) -> Parts:
        """The part of each pair."""
        if self.split == "time":
            return self._by_time(table)
        times = table.times if self.split == "leave_one_out" else None
        order = shuffled(table, self.seed, times)
        sizes = self._shares if self.split == "ratio" else last_two
        return in_turn(table, order, *sizes(table.counts))

    def _shares(self, counts: Counts) -> tuple[Counts, Counts]:
        """Pairs for validation and test of users with so many pairs."""
        n_test = counts - np.rint((1 - self.test_share) * counts).astype(np.int64)
        n_test = np.minimum(n_test, np.maximum(counts - 1, 0))
        n_val = np.rint(self.val_share * counts).astype(np.int64)
        return np.minimum(n_val, np.maximum(counts - n_test - 1, 0)), n_test

    def _by_time(self, table: PairTable) -> Parts:
        times = cast(NDArray[Any], table.times)
        in_order, n = np.sort(times), len(times)
        shares = (self.val_share + self.test_share, self.test_share)
        cuts = (in_order[min(round((1 - share) * n), n - 1)] for share in shares)
        parts: Parts = sum((times >= cut).astype(np.int8) for cut in cuts)
        if not self.keep_cold_users:
            known = np.bincount(
                table.users[parts == TRAIN], minlength=len(table.user_ids)
            )
            parts[known[table.users] == 0] = NOWHERE
        return parts


def last_two(counts: Counts) -> tuple[Counts, Counts]:
    """One pair for validation and one for test of each user with at least three."""
    one = (counts >= 3).astype(np.int64)
    return one, one


def shuffled(
    table: PairTable, seed: int, times: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Rows of the table, users in turn, those of a user by time, then at random."""
    n = len(table)
    lots = torch.randperm(n, generator=seeded_generator("pair split", seed)).numpy()
    if times is None:
        keys = pl.Series(table.users.astype(np.int64) * n + lots)
        return keys.arg_sort().to_numpy().astype(np.int64)
    columns = pl.DataFrame({"user": table.users, "time": times, "lot": lots})
    order = columns.select(pl.arg_sort_by("user", "time", "lot")).to_series()
    return order.to_numpy().astype(np.int64)


def in_turn(
    table: PairTable, order: NDArray[np.int64], n_val: Counts, n_test: Counts
) -> Parts:
    """The last pairs of each user are for test, those before for validation.

    Args:
        table: The pairs.
        order: Rows of the table, users in turn.
        n_val: Pairs for validation of each user.
        n_test: Pairs for test of each user.
    """
    users, ends = table.users[order], np.cumsum(table.counts)
    left = ends[users] - np.arange(len(table))
    parts: Parts = np.empty(len(table), dtype=np.int8)
    held = n_test + n_val
    parts[order] = (left <= n_test[users]).astype(np.int8) + (left <= held[users])
    return parts


def split_pairs(
    table: PairTable, parts: Parts, catalogue: Catalogue, path: object
) -> SplitPairs:
    """The three parts as the models take them.

    Raises:
        ValueError: There is no pair to train on, or none to test on.
    """
    for part, name, remedy in (
        (TRAIN, "training", "lower data.val_share and data.test_share"),
        (TEST, "test", "raise data.test_share, or split otherwise (data.split)"),
    ):
        if not (parts == part).any():
            raise ValueError(
                f"data.split leaves no {name} pair of the {len(table)} in {path}: "
                f"{remedy}."
            )
    train, val, test = (_user_items(table, parts == p) for p in (TRAIN, VAL, TEST))
    return SplitPairs(train, val, test, catalogue)


def _user_items(table: PairTable, keep: NDArray[np.bool_]) -> UserItems:
    """Some of the pairs, which are in order already."""
    counts = np.bincount(table.users[keep], minlength=len(table.user_ids))
    items = torch.from_numpy(table.items[keep].astype(np.int64))
    return UserItems(starts_of(torch.from_numpy(counts)), items, len(table.item_ids))
