"""Splits of pairs in three: by shares of each user, last of each user, or by time."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from datamodules.core.hold_out import check_rest, check_share
from datamodules.core.samplers import seeded_generator
from datamodules.readers.tables.pair_table import PairTable
from datamodules.recommendation.base import SplitPairs
from datamodules.recommendation.catalogue import Catalogue
from lightning_modules.core.validation import check_choice, check_seed
from lightning_modules.data_contracts.sparse_rows import starts_of
from lightning_modules.data_contracts.user_items import UserItems

Split = Literal["ratio", "leave_one_out", "time"]
Parts: TypeAlias = NDArray[np.int8]
Counts: TypeAlias = NDArray[np.int64]
TRAIN, VAL, TEST, UNUSED = 0, 1, 2, 3


@dataclass(frozen=True)
class PairSplit:
    """Assignment of pairs to training, validation and test.

    What is random depends on the seed and on the pairs, not on their order in a file.

    Args:
        split: See `SplitTable`.
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
        check_choice("data.split", self.split, get_args(Split))
        check_seed("data.", split_seed=self.seed)
        check_share("val_share", self.val_share)
        check_share("test_share", self.test_share, may_be_0=False)
        check_rest(self.val_share, self.test_share, "pair")

    def apply(self, table: PairTable) -> tuple[PairTable, Parts]:
        """The pairs that are in a part, and the part of each."""
        parts = self.parts(table)
        used = parts != UNUSED
        if used.all() or not used.any():
            return table, parts
        return table.part(used), parts[used]

    def parts(self, table: PairTable) -> Parts:
        """The part of each pair."""
        if self.split == "time":
            return self._by_time(table)
        times = table.times if self.split == "leave_one_out" else None
        order = shuffled_by_user(table, self.seed, times)
        sizes = self._shares if self.split == "ratio" else last_two
        return assign_splits(table, order, *sizes(table.counts))

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
            trained = table.users[parts == TRAIN]
            counts = np.bincount(trained, minlength=len(table.user_ids))
            parts[counts[table.users] == 0] = UNUSED
        return parts


def last_two(counts: Counts) -> tuple[Counts, Counts]:
    """One pair for validation and one for test of each user with at least three."""
    one = (counts >= 3).astype(np.int64)
    return one, one


def shuffled_by_user(
    table: PairTable, seed: int, times: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Rows of the table by user, those of a user by time, then at random."""
    n = len(table)
    generator = seeded_generator("pair split", seed)
    random_keys = torch.randperm(n, generator=generator).numpy()
    if times is None:
        joint = pl.Series(table.users.astype(np.int64) * n + random_keys)
        return joint.arg_sort().to_numpy().astype(np.int64)
    keys = {"user": table.users, "time": times, "random": random_keys}
    order = pl.DataFrame(keys).select(pl.arg_sort_by(*keys)).to_series()
    return order.to_numpy().astype(np.int64)


def assign_splits(
    table: PairTable, order: NDArray[np.int64], n_val: Counts, n_test: Counts
) -> Parts:
    """The last pairs of each user are for test, those before for validation.

    Args:
        table: The pairs.
        order: Rows of the table, sorted by user.
        n_val: Pairs for validation of each user.
        n_test: Pairs for test of each user.
    """
    users, ends = table.users[order], np.cumsum(table.counts)
    left = ends[users] - np.arange(len(table))
    parts: Parts = np.empty(len(table), dtype=np.int8)
    n_held_out = n_test + n_val
    parts[order] = (left <= n_test[users]).astype(np.int8) + (left <= n_held_out[users])
    return parts


def split_pairs(
    table: PairTable, catalogue: Catalogue, parts: Parts, path: object
) -> SplitPairs:
    """The three splits as the models take them.

    Raises:
        ValueError: There is no pair to train on, or none to test on.
    """
    for part, name, remedy in (
        (TRAIN, "training", "lower data.val_share and data.test_share"),
        (TEST, "test", "raise data.test_share, or choose another data.split"),
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
