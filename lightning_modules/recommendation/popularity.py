"""Everybody gets what most people took."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.fitted import FittedRanker


class Popularity(FittedRanker):
    """Ranks items by how many users took them in training: what has to be beaten.

    Args:
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.

    Example:
        >>> Popularity(ks=(10,)).score_name
        'score'
    """

    counts: Tensor

    def __init__(
        self, ks: Sequence[int] = (10, 20, 50), item_chunk: int | None = None
    ) -> None:
        super().__init__(ks, item_chunk)
        self.save_hyperparameters()

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """How often each item was taken, (n_items,)."""
        counts = torch.bincount(train.items, minlength=train.n_items)
        return {"counts": counts.float()}

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """The counts (n, m)."""
        return self.counts[part].expand(len(users), -1).clone()
