"""Small files of pairs, and what a data module makes of them."""

from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from datamodules import Interactions
from datamodules.readers.tables.pair_table import PairTable
from datamodules.recommendation.base import InteractionData

PARTS = ("train", "val", "test")
FEW = ("u,i,r,t", "9,a,5,1", "9,b,4,2", "9,c,1,3", "9,d,5,4", "7,a,5,9", "9,b,2,0")
COLUMNS = {"user_column": "u", "item_column": "i"}
TIMED = COLUMNS | {"time_column": "t"}
TABLES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5)), min_size=1
)


def table_of(rows: list[tuple[int, int, int]]) -> PairTable:
    columns = (pl.Series(column, dtype=pl.Int64) for column in zip(*rows, strict=True))
    return PairTable.of(*columns)


def written(path: Path, *lines: str) -> str:
    """A text file of these lines."""
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def ready(data: InteractionData) -> InteractionData:
    data.prepare_data()
    data.setup()
    return data


def interactions(path: Path | str, **options: Any) -> Interactions:
    data = ready(Interactions(str(path), **options))
    assert isinstance(data, Interactions)
    return data


def pairs(data: InteractionData, *parts: str) -> set[tuple[Any, Any]]:
    """Pairs of some parts by their ids."""
    users, items = data.catalogue.user_ids, data.catalogue.item_ids
    assert users is not None
    assert items is not None
    held = [data.interactions(part) for part in parts or PARTS]
    return {
        (user, item)
        for part in held
        for user, item in zip(
            users[part.users.numpy()], items[part.items.numpy()], strict=True
        )
    }


def of_user(data: InteractionData, user: Any) -> list[set[Any]]:
    """Items of a user in the three parts."""
    return [{i for u, i in pairs(data, part) if u == user} for part in PARTS]
