"""Most-popular baseline."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.fitted import FittedRanker


class Popularity(FittedRanker):
    """Most-popular baseline: items by their number of training interactions.

    Args:
        **options: Cut-offs and chunks of `FittedRanker`.

    Example:
        >>> Popularity(ks=(10,)).evaluator.ranking.ks
        (10,)
    """

    counts: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.save_hyperparameters()

    @override
    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """Interactions of each item, (n_items,)."""
        counts = torch.bincount(train.items, minlength=train.n_items)
        return {"counts": counts.float()}

    @override
    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Counts of the items, the same for all users (n, m)."""
        return self.counts[part].expand(len(rows), -1).clone()

    @override
    def likeness(self, items: Tensor) -> Tensor:
        """None is like another, as far as this method knows."""
        return self.counts.new_full((len(items), len(self.counts)), -torch.inf)
