"""Interactions of users and items from a file of the user's own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from typing_extensions import override

from datamodules.readers.features.scaling import Normalisation
from datamodules.readers.tables.item_table import ItemTable
from datamodules.readers.tables.pair_columns import read_pairs
from datamodules.readers.tables.pair_table import PairTable
from datamodules.readers.tables.table import Table
from datamodules.recommendation.base import PredictItems
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.split_table import SplitTable, catalogue_of
from lightning_modules.core.validation import check_choice


class Interactions(SplitTable):
    """A table in CSV, TSV or Parquet with a row for each interaction.

    Ids of CSV and TSV are what is written there: ``01`` and ``1`` are two, ``1e2`` is
    not 100. Parquet has text or numbers. The model's rows are the ids in their order,
    that of numbers if all are plain whole numbers, and the catalogue keeps them. A pair
    in several rows counts once, with its earliest time; of its ratings one must reach
    the threshold. The summary names ids such as ``NA``, items without features, and
    rows of features without an item.

    `SplitTable` says how the pairs are split.

    Args:
        path: File of the pairs: .csv, .tsv, .tab, .parquet or .pq.
        user_column: Column of the users' ids.
        item_column: Column of the items' ids, in ``features`` too.
        rating_column: Column of ratings; None takes every row as a pair.
        rating_threshold: Least rating that makes a pair.
        time_column: Column of times: numbers of one unit, dates, or ISO 8601 text.
        time_format: Form of times that are other text, such as ``%d/%m/%Y %H:%M``, in
            the terms of `polars`' and `strftime`'s formats.
        quoted: Whether fields of text may stand in double quotes; None takes them so in
            CSV, and as part of the text in TSV.
        features: File of the items, a row for each, with names and features: see
            `ItemTable`. Items that are in no pair are left out of it, unless
            ``keep_cold_items``, and features of items that have no row are 0.
        name_column: Column of the items' names for display, in ``features``, or in
            ``path`` without that; None shows ids.
        feature_columns: Columns of features; None takes all others of ``features``, but
            for text of which nearly every value is of one item only.
        normalise: What is done with features, see `fit_scaling`.
        keep_cold_items: Whether items of ``features`` that are in no pair are kept,
            for models that place them by their features.
        predict_items: Which items prediction ranks: ``all``, or the ``new`` ones,
            without a training pair. Models that place these by their features rank
            them only so.
        **options: Filter and split of `SplitTable`, batches of `InteractionData`.

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
        *,
        time_format: str | None = None,
        quoted: bool | None = None,
        features: str | None = None,
        name_column: str | None = None,
        feature_columns: Sequence[str] | None = None,
        normalise: Normalisation = "none",
        keep_cold_items: bool = False,
        predict_items: PredictItems = "all",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if (rating_column is None) != (rating_threshold is None):
            raise ValueError(
                "data.rating_column and data.rating_threshold belong together: set "
                "both, or neither to take every row as a pair."
            )
        if self.split.split == "time" and time_column is None:
            raise ValueError("data.split: time needs data.time_column; name it.")
        if keep_cold_items and features is None:
            raise ValueError(
                "data.keep_cold_items is about items in data.features; name that file."
            )
        if time_format is not None and time_column is None:
            raise ValueError("data.time_format is for data.time_column; name that.")
        check_choice("data.predict_items", predict_items, get_args(PredictItems))
        self.predict_items = predict_items
        self.keep_cold_items = keep_cold_items
        self.path = Path(path).expanduser()
        self.table = Table(self.path, "path", quoted=quoted)
        self.columns = user_column, item_column
        self.rating = rating_column, rating_threshold
        self.times = time_column, time_format
        self.item_table = self._item_table(
            features, name_column, feature_columns, normalise
        )

    @property
    @override
    def title(self) -> str:
        return f"{super().title} {self.path.name}"

    @override
    def find(self) -> None:
        self.table.find()
        if self.item_table:
            self.item_table.table.find()

    @override
    def read_table(self) -> PairTable:
        """Pairs with a rating that is high enough."""
        column, least = self.rating
        rating = (column, least) if column and least is not None else None
        return read_pairs(self.table, *self.columns, rating, *self.times)

    @override
    def describe(self, table: PairTable) -> tuple[PairTable, Catalogue]:
        """The pairs, with cold-start items where they are kept, and the catalogue."""
        if self.keep_cold_items and self.item_table:
            table = table.with_more_items(self.item_table.ids(table.item_ids))
        quiet = not self._is_first_process
        items = self.item_table and replace(self.item_table, quiet=quiet)
        return table, catalogue_of(table, items)

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
        path = Path(features).expanduser()
        table = Table(path, "features", quoted=self.table.quoted)
        return ItemTable(table, item, name, columns, normalise)
