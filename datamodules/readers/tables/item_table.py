"""Names and features of items, from a table with a row for each."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from scipy import sparse

from datamodules.readers.features.arrays import as_rows
from datamodules.readers.features.scaling import (
    DENSE,
    Normalisation,
    fit_scaling,
    precision,
)
from datamodules.readers.tables.item_columns import (
    MISSING,
    Block,
    named,
    numbers,
    why_no_category,
    words,
)
from datamodules.readers.tables.pair_columns import (
    TEXT,
    clean_ids,
    refuse_look_alikes,
)
from datamodules.readers.tables.pair_table import numbered
from datamodules.readers.tables.table import Table
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows, join

INDEX = re.compile(r"|__index_level_\d+__|Unnamed: 0")
"""Names that pandas writes for its row numbers."""
_SAYS_MISSING = rf"(?:^|\|)\s*(?:{'|'.join(map(re.escape, MISSING))})\s*(?:\||$)"
WIDE, FILLED = 100, 0.1  # wider, and with a smaller share of entries, is held sparse


@dataclass(frozen=True)
class ItemTable:
    """Ids, names and features of items in the columns of a table.

    A column of numbers, or mostly of numbers, is a feature; dates and times are days.
    Arrays, and lists of fractions, are vectors of features. Text is split at ``|``, and
    each word that occurs, or stands in a list, is a feature, 1 for the items that have
    it, but for ``NA`` and other words for what is missing. Whole numbers of which one
    begins with a 0, such as ``007``, are words too. A column whose words nearly all
    occur once is no category: it is left out with a warning, unless ``feature_columns``
    names it. Matrices of more than 100 columns are held sparse where less than a tenth
    of the entries is not 0.

    Args:
        table: A row for each item.
        id_column: Column of the items' ids.
        name_column: Column of their names for display; None has no names.
        feature_columns: Columns of features; None takes all others.
        normalise: See `fit_scaling`.
        once: Whether an item may have one row only; otherwise its first counts.
        quiet: No warnings, as in all processes but the first.
    """

    table: Table
    id_column: str
    name_column: str | None = None
    feature_columns: Sequence[str] | None = None
    normalise: Normalisation = "none"
    once: bool = True
    quiet: bool = False

    def read(
        self, item_ids: pl.Series
    ) -> tuple[Sequence[str], Rows | None, Sequence[str], Sequence[str]]:
        """Names, features and names of the features of these items, in their order.

        Rows of other items are left out. An item without a row is named by its id, and
        its features are 0. Remarks say how many there are of both, and of entries that
        say that they are missing.

        Raises:
            ValueError: An item has two rows, none has one, an entry is missing, or a
                column can't be a feature.
        """
        columns_of_features = self._wanted()
        names = [self.name_column] if self.name_column else []
        frame = self.table.read(
            [self.id_column, *names, *columns_of_features], [self.id_column]
        )
        frame = self._as_written(frame, columns_of_features)
        remarks = self._missing(frame, columns_of_features)
        if self.once:
            remarks += self._unmatched(frame, item_ids)
        rows, frame = self._matched(frame, item_ids)
        shown = self._names(frame, rows, item_ids) if self.name_column else ()
        if not columns_of_features:
            return shown, None, (), remarks
        blocks = self._blocks(frame, columns_of_features)
        joined = sparse.csr_array(sparse.hstack([block for block, _ in blocks]))
        columns = [name for _, named in blocks for name in named]
        features = self._scaled(joined, columns)
        return shown, _spread(features, rows, len(item_ids)), columns, remarks

    def ids(self, like: pl.Series) -> pl.Series:
        """Ids of the rows, in the type of the pairs' item ids."""
        column = [self.id_column]
        ids = clean_ids(self.table, self.table.read(column, column)[self.id_column])
        if like.dtype == pl.String:
            ids = ids.cast(pl.String)
            both = pl.concat([ids, like.alias(ids.name)]).unique()
            refuse_look_alikes(self.table, self.id_column, both)
        if ids.dtype == like.dtype:
            return ids
        raise ValueError(
            f"{self.table.named}: '{self.id_column}' are like '{ids[0]}', those of "
            f"the pairs like '{like[0]}'; make them the same to keep items that are in "
            "no pair (data.keep_cold_items)."
        )

    def _wanted(self) -> list[str]:
        if self.feature_columns is not None:
            return list(self.feature_columns)
        others = {self.id_column, self.name_column}
        names = [name for name in self.table.columns() if name not in others]
        return [name for name in names if not INDEX.fullmatch(name)]

    def _as_written(self, frame: pl.DataFrame, features: Sequence[str]) -> pl.DataFrame:
        """The table, with whole numbers of a file of text as it has them."""
        whole = [name for name in features if frame[name].dtype.is_integer()]
        if self.table.is_parquet or not whole:
            return frame
        return frame.with_columns(self.table.read(whole, whole).get_columns())

    def _missing(self, frame: pl.DataFrame, features: Sequence[str]) -> list[str]:
        """Text of features that says that something is missing."""
        columns = [frame[name] for name in features if frame[name].dtype in TEXT]
        text = [column.cast(pl.String) for column in columns]
        found = [column.filter(column.str.contains(_SAYS_MISSING)) for column in text]
        return [
            f"{len(said):,} rows say that '{said.name}' is missing ({said[0]!r})"
            for said in found
            if len(said)
        ]

    def _unmatched(self, frame: pl.DataFrame, item_ids: pl.Series) -> list[str]:
        """Items without a row, and rows without an item."""
        ids = clean_ids(self.table, frame[self.id_column])
        rows, items = ids.cast(pl.String), item_ids.cast(pl.String)
        kind, file = "features" if self._wanted() else "name", self.table.path.name
        bare = items.filter(~items.is_in(rows.implode()))
        spare = rows.filter(~rows.is_in(items.implode()))
        found = {
            f"items have no {kind} in {file}": bare,
            f"rows of {file} are of items in no pair": spare,
        }
        return [
            f"{len(ids):,} {what} ({_some(ids)})"
            for what, ids in found.items()
            if len(ids)
        ]

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
        column = frame[self.name_column or ""]
        if column.dtype.is_nested():
            raise ValueError(
                f"{self.table.named}: '{column.name}' holds {column.dtype}, which "
                "can't be names; choose another column (data.name_column)."
            )
        written = column.cast(pl.String).to_list()
        for row, name in zip(rows.tolist(), written, strict=True):
            names[row] = names[row] if name is None else name
        return names

    def _blocks(self, frame: pl.DataFrame, columns: Sequence[str]) -> list[Block]:
        """Features of the columns, without those that are no category."""
        blocks, left_out = [], {}
        for name in columns:
            values = self._numbers(frame, name)
            block = words(frame[name]) if values is None else named(values, name)
            why = why_no_category(block) if values is None else None
            if why and self.feature_columns is None:
                left_out[name] = why
            else:
                blocks.append(block)
        reasons = ", ".join(f"'{name}' ({why})" for name, why in left_out.items())
        if not blocks:
            raise ValueError(
                f"{self.table.named} has no column of features but {reasons}; name "
                "those to be used in data.feature_columns."
            )
        if left_out and not self.quiet:
            warnings.warn(
                f"{self.table.named}: left out {reasons}; name columns to be used in "
                "data.feature_columns.",
                stacklevel=2,
            )
        return blocks

    def _numbers(self, frame: pl.DataFrame, name: str) -> NDArray[np.float64] | None:
        """A column of numbers (n, width), none missing; None is one of words."""
        try:
            values = numbers(frame[name])
        except ValueError as error:
            raise ValueError(
                f"{self.table.named}: '{name}' {error} (data.feature_columns)."
            ) from None
        missing = np.isnan(values).any(1) if values is not None else np.zeros(1, bool)
        if missing.any():
            item = frame[self.id_column][int(missing.argmax())]
            raise ValueError(
                f"{self.table.named}: the item '{item}' has no '{name}', nor have "
                f"{missing.sum()} in all; fill them in, or leave the column out "
                "(data.feature_columns)."
            )
        return values

    def _scaled(self, matrix: sparse.csr_array, names: Sequence[str]) -> Rows:
        wide = matrix.shape[1] > WIDE and self.normalise not in DENSE
        is_sparse = wide and matrix.nnz < FILLED * np.prod(matrix.shape)
        array = matrix if is_sparse else matrix.toarray()
        rows = as_rows(self.table.named, array, precision(self.normalise), names)
        return fit_scaling(self.normalise, rows)(rows)


def _some(ids: pl.Series) -> str:
    """The first three of ids."""
    shown = ", ".join(repr(one) for one in ids.head(3))
    return shown + ", ..." * (len(ids) > 3)


def _spread(features: Rows, rows: NDArray[np.int64], n_items: int) -> Rows:
    """Features where their items are; zeros for the items without."""
    zeros = torch.zeros(1, features.shape[1])
    is_sparse = isinstance(features, SparseRows)
    nothing = SparseRows.from_dense(zeros) if is_sparse else zeros
    place = torch.full((n_items,), len(features))
    place[torch.from_numpy(rows)] = torch.arange(len(features))
    return join(features, nothing)[place]
