"""Interactions of users and items, in three splits."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from typing_extensions import override

from datamodules.core.loader import BatchLoader
from datamodules.core.resumable import ResumableDataModule
from datamodules.core.tensor_dataset import TensorDataset, numbers
from datamodules.recommendation.catalogue import Catalogue, fingerprint
from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.contracts import DataKind, InteractionBatch
from lightning_modules.data_contracts.user_items import UserItems

PredictItems = Literal["all", "new"]
UNIONS = {"seen": ("train", "val"), "all": ("train", "val", "test")}


@dataclass(frozen=True)
class SplitPairs:
    """Interactions in three splits that share no pair.

    Args:
        train: Pairs that are trained on.
        val: Pairs that settings and the end of training are chosen by.
        test: Pairs for the final evaluation.
        catalogue: Ids, names and features of users and items.

    Raises:
        ValueError: Two splits share a pair.
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
    """Batches of interactions to train on, and users to rank items for.

    A training batch is an `InteractionBatch` ``(users, items)``, int64 (n,) each, in an
    order that ``seed`` and the epoch alone decide; the last short batch is dropped.
    Validation and test iterate over the users who have pairs there, int64 (n,),
    prediction over all users.

    Args:
        batch_size: Pairs in a batch of one process.
        eval_batch_size: Users ranked at a time.
        by_user: Whether a batch holds all pairs of a few users instead of any pairs;
            those at its ends may be divided. `SmoothCML` is many times faster so, and a
            user is updated once in an epoch.
        mask_val: Whether validation pairs are excluded from the ranking at test, as
            training pairs are.
        predict_users: Ids of the users that prediction ranks items for; None takes all.
        **options: Workers and seed of `ResumableDataModule`.

    Attributes:
        n_users: Number of users.
        n_items: Number of items.
        catalogue: Ids, names and features of users and items.
        seen_at: Which pairs are excluded from a ranking: by stage, the name of a split.
        ranks_cold_items: Whether validation and test rank cold-start items too.
    """

    kind: ClassVar[DataKind] = "interactions"
    n_users: int
    n_items: int
    catalogue: Catalogue
    predict_items: PredictItems = "all"
    """Which items prediction ranks: ``new`` are those without a training pair."""
    ranks_cold_items: bool = False

    def __init__(
        self,
        batch_size: int = 1024,
        eval_batch_size: int = 256,
        by_user: bool = False,
        mask_val: bool = False,
        predict_users: Sequence[str | int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, **options)
        check_at_least(1, "data.", eval_batch_size=eval_batch_size)
        self.predict_users = predict_users
        self.eval_batch_size, self.by_user = eval_batch_size, by_user
        test = "seen" if mask_val else "train"
        self.seen_at = {"val": "train", "test": test, "predict": "all"}

    @abstractmethod
    def read(self) -> SplitPairs:
        """Reads or makes the pairs; called once in every process."""

    @override
    def load(self) -> None:
        pairs = self.read()
        self._splits = {"train": pairs.train, "val": pairs.val, "test": pairs.test}
        self.n_users, self.n_items = pairs.train.n_users, pairs.train.n_items
        self.catalogue = pairs.catalogue
        self.__dict__.pop("fingerprints", None)  # of pairs that were read before

    @override
    def contents(self) -> str:
        remarks = [*self.catalogue.doubtful, *self.catalogue.remarks]
        return ", ".join([self.amounts(), *remarks])

    def amounts(self) -> str:
        """How many pairs, users and items there are, for the summary."""
        sizes = {
            name: len(self.interactions(name)) for name in ("train", "val", "test")
        }
        parts = ", ".join(f"{name} {n:,}" for name, n in sizes.items())
        trained = len(torch.unique(self.interactions("train").items))
        return (
            f"{sum(sizes.values()):,} pairs of {self.n_users:,} users and "
            f"{self.n_items:,} items ({parts}), {self.n_items - trained:,} items "
            "without a training pair"
        )

    def interactions(self, split: str) -> UserItems:
        """Pairs of a split: ``train``, ``val``, ``test``, ``seen`` or ``all``.

        ``seen`` is training and validation pairs together; ``all`` are excluded from
        recommendations.
        """
        if split not in self._splits:
            parts = [self._splits[name] for name in UNIONS[split]]
            self._splits[split] = UserItems.from_pairs(
                torch.cat([part.users for part in parts]),
                torch.cat([part.items for part in parts]),
                self.n_users,
                self.n_items,
            )
        return self._splits[split]

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Hashes of the users and items, and of the training pairs.

        Checkpoints hold them, so that other data is told apart.
        """
        train = self.interactions("train")
        ids = [self.catalogue.user_ids, self.catalogue.item_ids]
        given = [np.arange(0) if one is None else one for one in ids]
        sizes = np.array([self.n_users, self.n_items])
        return {
            "users and items": fingerprint(sizes, *given),
            "training pairs": fingerprint(train.starts.numpy(), train.items.numpy()),
        }

    @override
    def train_dataloader(self) -> BatchLoader:
        """Batches of pairs in a new order each epoch."""
        pairs = self.interactions("train")
        self._check_batch_size(len(pairs), "pairs")
        data = TensorDataset(InteractionBatch, pairs.users, pairs.items)
        groups = pairs.users if self.by_user else None
        return self._shuffled(data, len(pairs), groups=groups)

    @override
    def val_dataloader(self) -> BatchLoader:
        return self._users("val")

    @override
    def test_dataloader(self) -> BatchLoader:
        return self._users("test")

    @override
    def predict_dataloader(self) -> BatchLoader:
        """The users that were asked for, or all."""
        users = torch.arange(self.n_users)
        if self.predict_users is not None:
            users = self.catalogue.user_rows(self.predict_users, self.n_users)
        return self._in_order(numbers(users), self.eval_batch_size)

    def _users(self, split: str) -> BatchLoader:
        users = self.interactions(split).counts.nonzero().flatten()
        return self._in_order(numbers(users), self.eval_batch_size)
