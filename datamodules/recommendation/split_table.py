"""Interactions of one table, filtered and split."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from typing_extensions import override

from datamodules.readers.tables.item_table import ItemTable
from datamodules.readers.tables.pair_table import PairTable
from datamodules.recommendation.base import InteractionData, SplitPairs
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.splitting import PairSplit, Split, split_pairs
from lightning_modules.core.validation import check_at_least


class SplitTable(InteractionData):
    """A table with a row for each interaction, split in three.

    ``split`` is one of:

    - ``ratio``: of a user's n pairs in random order, n - round((1 - test_share) n) are
      for test and round(val_share n) for validation; one at least is trained on.
    - ``leave_one_out``: of each user with three pairs or more, the last is for test and
      the one before for validation: by time, pairs of one moment at random, or all at
      random where times are not known. ``val_share`` and ``test_share`` have no effect.
    - ``time``: the same two moments for everybody; pairs at exactly such a moment come
      after it, so that no test pair is as early as a training pair. Pairs of users
      without a training pair are left out, unless ``keep_cold_users``.

    Args:
        k_core: Users and items with fewer pairs are filtered iteratively.
        split: One of the three.
        val_share: Share of the pairs for validation.
        test_share: Share of the pairs for test.
        split_seed: Seed of the split.
        keep_cold_users: Whether ``time`` keeps users without a training pair.
        **options: Batches and evaluation of `InteractionData`.
    """

    path: Path
    """The file of the pairs."""
    n_found: int
    """Pairs of the file, before any is filtered or split off."""

    def __init__(
        self,
        k_core: int = 1,
        split: Split = "ratio",
        val_share: float = 0.1,
        test_share: float = 0.2,
        split_seed: int = 0,
        keep_cold_users: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(1, "data.", k_core=k_core)
        self.k_core = k_core
        self.split = PairSplit(
            split, val_share, test_share, split_seed, keep_cold_users
        )

    @abstractmethod
    def read_table(self) -> PairTable:
        """All pairs of the file."""

    @abstractmethod
    def describe(self, table: PairTable) -> tuple[PairTable, Catalogue]:
        """The pairs, maybe with more items, and what is known of users and items."""

    @override
    def read(self) -> SplitPairs:
        """The pairs that are left, split, and what is known of users and items."""
        found = self.read_table()
        self.n_found, table = len(found), found.core(self.k_core)
        if not len(table):
            raise ValueError(
                f"data.k_core: no user and item of {self.path} are left with "
                f"{self.k_core} pairs each; lower it."
            )
        table, parts = self.split.apply(table)
        return split_pairs(*self.describe(table), parts, self.path)

    @override
    def amounts(self) -> str:
        return f"{super().amounts()}, of {self.n_found:,} pairs found"


def catalogue_of(table: PairTable, items: ItemTable | None) -> Catalogue:
    """Ids of the pairs, and what a table says of the items."""
    ids = table.user_ids.to_numpy(), table.item_ids.to_numpy()
    return Catalogue(*ids, *(items.read(table.item_ids) if items else ()))
