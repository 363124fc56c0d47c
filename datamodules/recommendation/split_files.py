"""Interactions with a given split, in the files of LightGCN's repositories."""

import codecs
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.core.hold_out import check_share
from datamodules.readers.tables.pair_table import PairTable
from datamodules.recommendation.base import InteractionData, SplitPairs
from datamodules.recommendation.splitting import (
    TRAIN,
    VAL,
    assign_splits,
    shuffled_by_user,
)
from lightning_modules.core.files import check_file
from lightning_modules.core.validation import check_seed
from lightning_modules.data_contracts.user_items import UserItems

DIGITS = 18  # more have no room in 64 bits
PairColumns = tuple[Tensor, Tensor]
FILES = {"train": "train.txt", "val": "valid.txt", "test": "test.txt"}


class SplitFiles(InteractionData):
    """A folder of ``train.txt``, ``valid.txt`` and ``test.txt``.

    A line is ``user item item ...``. Users and items are whole numbers from 0; a user
    without items in a part has no line there, or an empty one. This is the format of
    LightGCN and its successors. Where there is no ``valid.txt``, as in the data sets of
    LightGCN itself, some of each user's training items are for validation.

    Args:
        root: Folder of the files.
        val_share: Share of a user's items in ``train.txt`` that are for validation, if
            there is no ``valid.txt``; a user keeps one at least.
        split_seed: Seed of that choice.
        **options: Batches of `InteractionData`; the published tables of this format are
            made without ``mask_val``.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A line is not whole numbers, or parts share a pair.

    References:
        LightGCN++ (doi:10.1145/3640457.3688176) for the split of Last.fm.
    """

    def __init__(
        self,
        root: str = "data/lastfm",
        val_share: float = 0.1,
        split_seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_share("val_share", val_share)
        check_seed("data.", split_seed=split_seed)
        self.root = Path(root).expanduser()
        self.val_share, self.split_seed = val_share, split_seed

    @property
    @override
    def title(self) -> str:
        return f"{super().title} {self.root.name}"

    @override
    def find(self) -> None:
        for part, name in FILES.items():
            if part != "val" and not (self.root / name).is_file():
                raise FileNotFoundError(
                    f"data.root: {self.root / name} does not exist; put train.txt, "
                    "test.txt and, if there is one, valid.txt into a folder and name "
                    "it."
                )

    @override
    def read(self) -> SplitPairs:
        paths = {part: self.root / name for part, name in FILES.items()}
        pairs = {part: read_lines(p) for part, p in paths.items() if p.exists()}
        if "val" not in pairs:
            pairs["train"], pairs["val"] = self._held_out(*pairs["train"])
        n_users, n_items = (_count(self.root, pairs.values(), side) for side in (0, 1))
        splits = {
            part: UserItems.from_pairs(*columns, n_users, n_items)
            for part, columns in pairs.items()
        }
        return SplitPairs(splits["train"], splits["val"], splits["test"])

    def _held_out(self, *pairs: Tensor) -> tuple[PairColumns, PairColumns]:
        """Users and items to train on, and for validation."""
        table = PairTable.of(*(pl.Series(side.numpy()) for side in pairs))
        n_val = np.rint(self.val_share * table.counts).astype(np.int64)
        n_val = np.minimum(n_val, table.counts - 1)
        order = shuffled_by_user(table, self.split_seed)
        parts = assign_splits(table, order, n_val, np.zeros_like(n_val))
        users, items = (
            torch.from_numpy(ids.to_numpy()[numbers].astype(np.int64))
            for ids, numbers in (
                (table.user_ids, table.users),
                (table.item_ids, table.items),
            )
        )
        train, val = (torch.from_numpy(parts == part) for part in (TRAIN, VAL))
        return (users[train], items[train]), (users[val], items[val])


def _count(root: Path, pairs: Iterable[PairColumns], side: int) -> int:
    """Number of users (side 0) or items (1).

    Raises:
        ValueError: The numbers have such gaps that they are ids, not rows.
    """
    numbers = torch.cat([columns[side] for columns in pairs])
    largest, used = int(numbers.max()), len(torch.unique(numbers))
    if largest > 1000 * used:
        what = ("user", "item")[side]
        raise ValueError(
            f"data.root: {root}: the largest {what} is {largest}, but there are only "
            f"{used} different ones: number them from 0, or use the data module "
            "Interactions."
        )
    return largest + 1


def read_lines(path: Path) -> tuple[Tensor, Tensor]:
    """Users and items of all pairs in a file, int64 (n,) each.

    Raises:
        ValueError: A line is not whole numbers of at least 0; or there are no pairs.
    """
    users: list[int] = []
    items: list[int] = []
    check_file(path, f"data.root: {path}")
    text = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not all(word.removeprefix(b"-").isdigit() for word in words) or (
            max(map(len, words), default=0) > DIGITS
        ):
            raise ValueError(
                f"data.root: line {number} of {path} is not whole numbers; write "
                "'user item item ...', counted from 0."
            )
        row = [int(word) for word in words]
        if row and min(row) < 0:
            raise ValueError(
                f"data.root: line {number} of {path} has the negative number "
                f"{min(row)}; count users and items from 0."
            )
        items += row[1:]
        users += row[:1] * (len(row) - 1)
    if not users:
        raise ValueError(
            f"data.root: {path} holds no pairs; write 'user item item ...'."
        )
    return torch.tensor(users), torch.tensor(items)
