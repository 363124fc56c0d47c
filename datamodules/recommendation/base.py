"""Pairs of users and items, in three parts."""

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.core.arguments import at_least
from datamodules.core.loader import BatchLoader
from datamodules.core.resumable import ResumableDataModule
from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.data_contracts.user_items import UserItems

PredictItems = Literal["all", "new"]


@dataclass(frozen=True)
class Catalogue:
    """What the rows of the tables stand for.

    Args:
        user_ids: The data's own ids of the users (n_users,), int64 or str; None counts
            from 0.
        item_ids: Of the items (n_items,).
        item_names: What people call the items (n_items,); empty shows the ids.
        features: Of the items (n_items, width), dense or sparse; None has none.
        feature_names: Of the columns of ``features`` (width,); empty has none.
    """

    user_ids: NDArray[Any] | None = None
    item_ids: NDArray[Any] | None = None
    item_names: Sequence[str] = ()
    features: Rows | None = None
    feature_names: Sequence[str] = ()

    def user_rows(self, wanted: Sequence[int | str], n_users: int) -> Tensor:
        """Where the users of these ids are, int64 (n,).

        The command line takes ``007`` for 7, so a number stands for the one id of this
        value too.

        Raises:
            ValueError: An id is not known, or none are asked for.
        """
        if not len(wanted):
            raise ValueError("data.predict_users is empty; name some, or leave it out.")
        ids = range(n_users) if self.user_ids is None else self.user_ids.tolist()
        rows = {str(one): row for row, one in enumerate(ids)}
        values = Counter(_value(name) for name in rows)
        by_value = {_value(name): row for name, row in rows.items()}
        found = []
        for user in wanted:
            known = rows.get(str(user))
            if known is None and values[_value(user)] == 1:
                known = by_value[_value(user)]
            if known is None:
                raise ValueError(
                    f"data.predict_users: there is no user '{user}' in the data; ids "
                    f"look like '{next(iter(rows), '')}'."
                )
            found.append(known)
        return torch.tensor(found, dtype=torch.int64)

    def named(self, items: Sequence[int]) -> list[str]:
        """What people call these items, by their rows."""
        if self.item_names:
            return [self.item_names[item] for item in items]
        ids = items if self.item_ids is None else self.item_ids[np.asarray(items, int)]
        return [str(one) for one in ids]


def _mark(*arrays: NDArray[Any]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        text = array.dtype.kind not in "iu"
        found.update("\0".join(array).encode() if text else array.tobytes())
        found.update(b"\1")
    return found.hexdigest()


def _value(user: int | str) -> str:
    """An id without zeros in front, if it is a number."""
    text = str(user)
    return text.lstrip("0") or "0" if text.isascii() and text.isdigit() else text


@dataclass(frozen=True)
class SplitPairs:
    """Who took what, in parts that share no pair.

    Args:
        train: Pairs that are learnt from.
        val: Pairs that choose settings and the end of training.
        test: Pairs that are measured once.
        catalogue: What users and items are.

    Raises:
        ValueError: Two parts share a pair.
    """

    train: UserItems
    val: UserItems
    test: UserItems
    catalogue: Catalogue = field(default_factory=Catalogue)

    def __post_init__(self) -> None:
        parts = {"train": self.train, "val": self.val, "test": self.test}
        sizes = {(part.n_users, part.n_items) for part in parts.values()}
        assert len(sizes) == 1, f"parts of different sizes: {sizes}"
        for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
            one, other = parts[first], parts[second]
            shared = one.contain(other.users, other.items)
            if shared.any():
                at = int(shared.int().argmax())
                pair = f"user {other.users[at]} and item {other.items[at]}"
                raise ValueError(
                    f"data: {int(shared.sum())} pairs of the {second} part are in the "
                    f"{first} part too, such as {pair}: leave them out of one."
                )


class InteractionData(ResumableDataModule):
    """Batches of pairs to learn from, and users to rank items for.

    A training batch is ``(users, items)``, int64 (n,) each, in an order that ``seed``
    and the epoch alone decide; the last short batch is dropped. Validation and test
    iterate over the users who have pairs there, int64 (n,), prediction over all users.

    Args:
        batch_size: Pairs in a batch of one process.
        eval_batch_size: Users ranked at a time.
        mask_val: Whether validation pairs are left out of the ranking at test, as
            training pairs are.
        predict_users: Ids of the users that prediction ranks items for; None takes all.
        num_workers: Worker processes that slice batches; the batches are the same for
            any number.
        seed: Seed of the order of the pairs.

    Attributes:
        n_users: Number of users.
        n_items: Number of items.
        catalogue: What the rows of the tables stand for.
        seen_at: Which pairs are left out of a ranking: by stage, the name of a part.
    """

    n_users: int
    n_items: int
    catalogue: Catalogue
    train_pairs: UserItems
    val_pairs: UserItems
    test_pairs: UserItems
    predict_items: PredictItems = "all"
    """Which items prediction ranks: ``new`` are those without a training pair."""

    def __init__(
        self,
        batch_size: int,
        eval_batch_size: int = 256,
        mask_val: bool = False,
        predict_users: Sequence[int | str] | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, num_workers, seed)
        at_least("eval_batch_size", eval_batch_size, 1)
        self.predict_users = predict_users
        self.eval_batch_size = eval_batch_size
        test = "seen" if mask_val else "train"
        self.seen_at = {"val": "train", "test": test, "predict": "taken"}

    @abstractmethod
    def read(self) -> SplitPairs:
        """Reads or makes the pairs; called once in every process."""

    def load(self) -> None:
        """Keeps what `read` gives."""
        found = self.read()
        self.train_pairs, self.val_pairs = found.train, found.val
        self.test_pairs, self.catalogue = found.test, found.catalogue
        self.n_users, self.n_items = found.train.n_users, found.train.n_items
        self.__dict__.pop("marks", None)  # what was worked out of earlier pairs
        self.__dict__.pop("seen_pairs", None)
        self.__dict__.pop("taken_pairs", None)

    @cached_property
    def marks(self) -> dict[str, str]:
        """What tells these users and items, and these training pairs, from others."""
        train, known = self.train_pairs, self.catalogue
        ids = [known.user_ids, known.item_ids]
        named = [np.arange(0) if one is None else one for one in ids]
        return {
            "users and items": _mark(np.array([self.n_users, self.n_items]), *named),
            "training pairs": _mark(train.starts.numpy(), train.items.numpy()),
        }

    @cached_property
    def seen_pairs(self) -> UserItems:
        """Training and validation pairs together."""
        return self._joined(self.train_pairs, self.val_pairs)

    @cached_property
    def taken_pairs(self) -> UserItems:
        """All pairs: what nobody needs to be told again."""
        return self._joined(self.train_pairs, self.val_pairs, self.test_pairs)

    def _joined(self, *parts: UserItems) -> UserItems:
        return UserItems.from_pairs(
            torch.cat([part.users for part in parts]),
            torch.cat([part.items for part in parts]),
            self.n_users,
            self.n_items,
        )

    def train_dataloader(self) -> BatchLoader:
        """Batches of pairs in a new order each epoch."""
        n = len(self.train_pairs)
        self._check_batch_size(n, "pairs")
        return self._shuffled(_PairRows(self.train_pairs), n)

    def val_dataloader(self) -> BatchLoader:
        """Users with validation pairs."""
        return self._users(self.val_pairs)

    def test_dataloader(self) -> BatchLoader:
        """Users with test pairs."""
        return self._users(self.test_pairs)

    def predict_dataloader(self) -> BatchLoader:
        """The users that were asked for, or all."""
        users = torch.arange(self.n_users)
        if self.predict_users is not None:
            users = self.catalogue.user_rows(self.predict_users, self.n_users)
        return self._in_order(_Users(users), self.eval_batch_size)

    def _users(self, pairs: UserItems) -> BatchLoader:
        users = pairs.counts.nonzero().flatten()
        return self._in_order(_Users(users), self.eval_batch_size)


class _PairRows(Dataset[tuple[Tensor, Tensor]]):
    """Pairs by their number."""

    def __init__(self, pairs: UserItems) -> None:
        self.users, self.items = pairs.users, pairs.items

    def __getitem__(self, index: tuple[Tensor, None]) -> tuple[Tensor, Tensor]:
        return self.users[index[0]], self.items[index[0]]


class _Users(Dataset[Tensor]):
    """Some users by their place."""

    def __init__(self, users: Tensor) -> None:
        self.users = users

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, index: tuple[Tensor, None]) -> Tensor:
        return self.users[index[0]]
