"""Pairs of users and items from a file of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from datamodules.core.arguments import at_least, one_of
from datamodules.readers.features.scaling import Normalisation
from datamodules.readers.tables.item_table import ItemTable
from datamodules.readers.tables.pair_columns import read_pairs
from datamodules.readers.tables.pair_table import PairTable
from datamodules.readers.tables.table import Table
from datamodules.recommendation.base import (
    Catalogue,
    InteractionData,
    PredictItems,
    SplitPairs,
)
from datamodules.recommendation.splitting import PairSplit, Split, split_pairs


class Interactions(InteractionData):
    """Who took what: a table in CSV, TSV or Parquet with a row for each pair.

    Ids are whole numbers from 0 (then ``007`` is 7) or text; the model's rows are the
    ids in their order, and the catalogue keeps them. A pair in several rows counts
    once, with its earliest time; of its ratings one must reach the threshold.

    ``split`` cuts the pairs in three:

    - ``ratio``: of a user's n pairs in random order, n - round((1 - test_share) n) are
      for test and round(val_share n) for validation; one at least is trained on.
    - ``leave_one_out``: of each user with three pairs or more, the last is for test and
      the one before for validation: by time, pairs of one moment at random, or all at
      random without ``time_column``. ``val_share`` and ``test_share`` have no effect.
    - ``time``: the same two moments for everybody; pairs of the moment of a cut come
      after it, so that no test pair is as early as a training pair. Pairs of users
      without a training pair are left out, unless ``keep_cold_users``.

    Args:
        path: File of the pairs: .csv, .tsv, .tab, .parquet or .pq.
        user_column: Column of the users' ids.
        item_column: Column of the items' ids, in ``features`` too.
        rating_column: Column of ratings; None takes every row as a pair.
        rating_threshold: Least rating that makes a pair.
        time_column: Column of times: numbers, dates, or ISO text.
        k_core: Users and items with fewer pairs are left out, again and again.
        split: One of the three.
        val_share: Share of the pairs for validation.
        test_share: Share of the pairs for test.
        split_seed: Seed of the cut.
        keep_cold_users: See ``time``.
        features: File of the items, a row for each, with names and features: see
            `ItemTable`. Items that are in no pair are left out of it, unless
            ``keep_cold_items``, and features of items that have no row are 0.
        name_column: Column of what people call the items, in ``features``, or in
            ``path`` without that; None shows ids.
        feature_columns: Columns of features; None takes all others of ``features``.
        normalise: What is done with features, see `fit_scaling`.
        keep_cold_items: Whether items of ``features`` that are in no pair are there,
            for models that place them by their features.
        batch_size: Pairs in a batch of one process.
        eval_batch_size: Users ranked at a time.
        mask_val: Whether validation pairs are left out of the ranking at test.
        predict_users: Ids of the users that prediction ranks items for; None takes all.
        predict_items: Which items it ranks: ``all``, or the ``new`` ones, without a
            training pair.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the pairs.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: An argument or an entry of a file can't be used.
    """

    def __init__(
        self,
        path: str = "data/interactions.csv",
        user_column: str = "user",
        item_column: str = "item",
        rating_column: str | None = None,
        rating_threshold: float | None = None,
        time_column: str | None = None,
        k_core: int = 1,
        split: Split = "ratio",
        val_share: float = 0.1,
        test_share: float = 0.2,
        split_seed: int = 0,
        keep_cold_users: bool = False,
        features: str | None = None,
        name_column: str | None = None,
        feature_columns: Sequence[str] | None = None,
        normalise: Normalisation = "none",
        keep_cold_items: bool = False,
        batch_size: int = 1024,
        eval_batch_size: int = 256,
        mask_val: bool = False,
        predict_users: Sequence[int | str] | None = None,
        predict_items: PredictItems = "all",
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            batch_size, eval_batch_size, mask_val, predict_users, num_workers, seed
        )
        at_least("k_core", k_core, 1)
        if (rating_column is None) != (rating_threshold is None):
            raise ValueError(
                "data.rating_column and data.rating_threshold belong together: set "
                "both, or neither to take every row as a pair."
            )
        if split == "time" and time_column is None:
            raise ValueError("data.split: time needs data.time_column; name it.")
        if keep_cold_items and features is None:
            raise ValueError(
                "data.keep_cold_items is about items in data.features; name that file."
            )
        one_of("predict_items", predict_items, get_args(PredictItems))
        self.predict_items = predict_items
        self.keep_cold_items = keep_cold_items
        self.cut = PairSplit(split, val_share, test_share, split_seed, keep_cold_users)
        self.table = Table(Path(path).expanduser(), "path")
        self.columns = user_column, item_column
        self.rating, self.time_column = (rating_column, rating_threshold), time_column
        self.k_core = k_core
        self.item_table = self._item_table(
            features, name_column, feature_columns, normalise
        )

    def find(self) -> None:
        """Checks that the files are there."""
        self.table.find()
        if self.item_table:
            self.item_table.table.find()

    def read(self) -> SplitPairs:
        """The pairs that are left, cut, and what is known of the items."""
        column, least = self.rating
        rating = (column, least) if column and least is not None else None
        table = read_pairs(self.table, *self.columns, rating, self.time_column)
        table = core(table, self.k_core, self.table.path)
        table, parts = self.cut.cut(table)
        if self.keep_cold_items and self.item_table:
            table = table.with_more_items(self.item_table.ids(table.item_ids))
        return split_pairs(table, parts, self._catalogue(table), self.table.path)

    def _item_table(
        self,
        features: str | None,
        name: str | None,
        columns: Sequence[str] | None,
        normalise: Normalisation,
    ) -> ItemTable | None:
        if features is None and (columns or normalise != "none"):
            raise ValueError(
                "data.feature_columns and data.normalise are for a table of items; "
                "name it in data.features."
            )
        if features is None and name is None:
            return None
        item = self.columns[1]
        if features is None:
            return ItemTable(self.table, item, name, (), once=False)
        table = Table(Path(features).expanduser(), "features")
        return ItemTable(table, item, name, columns, normalise)

    def _catalogue(self, table: PairTable) -> Catalogue:
        return catalogue_of(table, self.item_table)


def catalogue_of(table: PairTable, items: ItemTable | None) -> Catalogue:
    """Ids of the pairs, and what a table says of the items."""
    ids = table.user_ids.to_numpy(), table.item_ids.to_numpy()
    return Catalogue(*ids, *(items.read(table.item_ids) if items else ()))


def core(table: PairTable, k: int, path: object) -> PairTable:
    """See `PairTable.core`.

    Raises:
        ValueError: Nothing is left.
    """
    left = table.core(k)
    if not len(left):
        raise ValueError(
            f"data.k_core: no user and item of {path} are left with {k} pairs each; "
            "lower it."
        )
    return left
