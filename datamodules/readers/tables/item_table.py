"""Names and features of items, from a table with a row for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy import sparse

from datamodules.readers.features.arrays import as_rows
from datamodules.readers.features.scaling import DENSE, Normalisation, fit_scaling
from datamodules.readers.tables.pair_columns import clean_ids
from datamodules.readers.tables.pair_table import numbered
from datamodules.readers.tables.table import Table
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows, join

WIDE, FILLED = 100, 0.1  # wider, and with a smaller share of entries, is held sparse


@dataclass(frozen=True)
class ItemTable:
    """Ids, names and features of items in the columns of a table.

    A column of numbers, or mostly of numbers, is a feature. One of text is split
    at ``|``, and each word that occurs is a feature, 1 for the items that have it.
    Matrices of more than 100 columns are held sparse where less than a tenth of the
    entries is not 0.

    Args:
        table: A row for each item.
        id_column: Column of the items' ids.
        name_column: Column of their names for display; None has no names.
        feature_columns: Columns of features; None takes all others.
        normalise: See `fit_scaling`.
        once: Whether an item may have one row only; otherwise its first counts.
    """

    table: Table
    id_column: str
    name_column: str | None = None
    feature_columns: Sequence[str] | None = None
    normalise: Normalisation = "none"
    once: bool = True

    def read(
        self, item_ids: pl.Series
    ) -> tuple[Sequence[str], Rows | None, Sequence[str]]:
        """Names, features and names of the features of these items, in their order.

        Rows of other items are left out. An item without a row is named by its id, and
        its features are 0.

        Raises:
            ValueError: An item has two rows, none has one, or an entry is missing.
        """
        columns_of_features = self._wanted()
        names = [self.name_column] if self.name_column else []
        frame = self.table.read(
            [self.id_column, *names, *columns_of_features], [self.id_column]
        )
        rows, frame = self._matched(frame, item_ids)
        shown = self._names(frame, rows, item_ids) if self.name_column else ()
        if not columns_of_features:
            return shown, None, ()
        blocks = [self._features(frame, column) for column in columns_of_features]
        joined = sparse.csr_array(sparse.hstack([block for block, _ in blocks]))
        features = self._scaled(joined)
        columns = [name for _, named in blocks for name in named]
        return shown, _spread(features, rows, len(item_ids)), columns

    def ids(self, like: pl.Series) -> pl.Series:
        """Ids of the rows, in the type of the pairs' item ids."""
        column = [self.id_column]
        ids = clean_ids(self.table, self.table.read(column, column)[self.id_column])
        if ids.dtype == like.dtype:
            return ids
        if like.dtype == pl.String:
            return ids.cast(pl.String)
        raise ValueError(
            f"{self.table.named}: '{self.id_column}' are like '{ids[0]}', those of "
            f"the pairs like '{like[0]}'; make them the same to keep items that are in "
            "no pair (data.keep_cold_items)."
        )

    def _wanted(self) -> list[str]:
        if self.feature_columns is not None:
            return list(self.feature_columns)
        others = {self.id_column, self.name_column}
        return [name for name in self.table.columns() if name not in others]

    def _matched(
        self, frame: pl.DataFrame, item_ids: pl.Series
    ) -> tuple[NDArray[np.int64], pl.DataFrame]:
        """Numbers of the items that have a row, and those rows."""
        ids = clean_ids(self.table, frame[self.id_column])
        if not self.once:
            first = ids.is_first_distinct()
            ids, frame = ids.filter(first), frame.filter(first)
        twice = ids.filter(ids.is_duplicated())
        if len(twice):
            raise ValueError(
                f"{self.table.named} has two rows of the item '{twice[0]}'; leave one."
            )
        if ids.dtype != item_ids.dtype:
            ids, item_ids = ids.cast(pl.String), item_ids.cast(pl.String)
        rows = numbered(ids, item_ids)
        if rows.is_null().all():
            raise ValueError(
                f"{self.table.named} describes none of the {len(item_ids)} items: its "
                f"'{self.id_column}' are like '{ids[0]}', those of the pairs like "
                f"'{item_ids[0]}'; make them the same."
            )
        has_item = rows.is_not_null()
        return rows.filter(has_item).to_numpy().astype(np.int64), frame.filter(has_item)

    def _names(
        self, frame: pl.DataFrame, rows: NDArray[np.int64], item_ids: pl.Series
    ) -> list[str]:
        names: list[str] = item_ids.cast(pl.String).to_list()
        written = frame[self.name_column].cast(pl.String).to_list()  # type: ignore[index]
        for row, name in zip(rows.tolist(), written, strict=True):
            names[row] = names[row] if name is None else name
        return names

    def _features(
        self, frame: pl.DataFrame, name: str
    ) -> tuple[sparse.csr_array, list[str]]:
        """The features in one column, (n, width), and their names."""
        numbers = _numbers(frame[name])
        if numbers is None:
            return words(frame[name])
        if numbers.null_count():
            item = frame[self.id_column][numbers.is_null().arg_max() or 0]
            raise ValueError(
                f"{self.table.named}: the item '{item}' has no '{name}', nor have "
                f"{numbers.null_count()} in all; fill them in, or leave the column out "
                "(data.feature_columns)."
            )
        return sparse.csr_array(numbers.to_numpy()[:, None]), [name]

    def _scaled(self, matrix: sparse.csr_array) -> Rows:
        wide = matrix.shape[1] > WIDE and self.normalise not in DENSE
        is_sparse = wide and matrix.nnz < FILLED * np.prod(matrix.shape)
        rows = as_rows(self.table.named, matrix if is_sparse else matrix.toarray())
        return fit_scaling(self.normalise, rows)(rows)


def _numbers(column: pl.Series) -> pl.Series | None:
    """A column of numbers, of which some may be null; None is one of words."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64).fill_nan(None)
    text = column.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    mostly = 2 * numbers.count() > text.count()
    return numbers.fill_nan(None) if mostly else None


def words(column: pl.Series) -> tuple[sparse.csr_array, list[str]]:
    """Which words, separated by ``|``, are in each entry: zeros and ones (n, width).

    >>> matrix, names = words(pl.Series("genres", ["War|Drama", None, "War"]))
    >>> names, matrix.toarray().tolist()
    (['genres=Drama', 'genres=War'], [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    """
    entries = pl.DataFrame({"word": column.cast(pl.String)}).with_row_index("row")
    entries = entries.with_columns(pl.col("word").str.split("|")).explode("word")
    entries = entries.with_columns(pl.col("word").str.strip_chars())
    entries = entries.filter(pl.col("word").str.len_bytes() > 0).unique()
    vocabulary = entries["word"].unique().sort()
    place = entries["row"].to_numpy(), numbered(entries["word"], vocabulary).to_numpy()
    ones = np.ones(len(entries), dtype=np.float32)
    matrix = sparse.csr_array((ones, place), shape=(len(column), len(vocabulary)))
    return matrix, [f"{column.name}={word}" for word in vocabulary]


def _spread(features: Rows, rows: NDArray[np.int64], n_items: int) -> Rows:
    """Features where their items are; zeros for the items without."""
    zeros = torch.zeros(1, features.shape[1])
    is_sparse = isinstance(features, SparseRows)
    nothing = SparseRows.from_dense(zeros) if is_sparse else zeros
    place = torch.full((n_items,), len(features))
    place[torch.from_numpy(rows)] = torch.arange(len(features))
    return join(features, nothing)[place]
