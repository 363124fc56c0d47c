"""Ranking metrics over batches of users and over processes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_modules.core.validation import check_at_least
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.functional.ranking import (
    NAMES,
    AveragePrecision,
    hits,
    ranking_metrics,
)


class RankingMetrics(Metric):
    """Means over users of `ranking_metrics`; the states are sums.

    Users without a relevant item are skipped.

    Args:
        ks: Cut-offs.
        names: Metrics to compute.
        average_precision: What ``map`` divides by.
        kwargs: See torchmetrics.Metric.

    Attributes:
        latest: Values of each user of the last update, float64 (len(keys), n), NaN for
            users without a relevant item.

    >>> relevant = UserItems.from_pairs(torch.tensor([0]), torch.tensor([7]), 2, 9)
    >>> metric = RankingMetrics([1, 2], ["recall"])
    >>> metric.update(torch.tensor([[3, 7], [1, 2]]), torch.tensor([0, 1]), relevant)
    >>> metric.compute()
    {'recall@1': tensor(0.), 'recall@2': tensor(1.)}
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update: bool = False

    sums: Tensor
    n_users: Tensor
    latest: Tensor

    def __init__(
        self,
        ks: Sequence[int] = (10, 20, 50),
        names: Sequence[str] = NAMES,
        average_precision: AveragePrecision = "ideal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not ks:
            raise ValueError("ks must have at least one cut-off.")
        self.ks, self.names = tuple(ks), tuple(names)
        self.average_precision: AveragePrecision = average_precision
        # on no users, to refuse a name or a cut-off before anything is ranked
        empty = torch.zeros(0, max(ks, default=1), dtype=torch.bool)
        self.keys = tuple(self._metrics(empty, torch.ones(0).long()))
        zeros = torch.zeros(len(self.keys), dtype=torch.float64)
        self.add_state("sums", zeros, dist_reduce_fx="sum")
        self.add_state("n_users", torch.tensor(0), dist_reduce_fx="sum")

    def _metrics(self, is_hit: Tensor, n_relevant: Tensor) -> dict[str, Tensor]:
        return ranking_metrics(
            is_hit, n_relevant, self.ks, self.names, self.average_precision
        )

    def update(self, ranked: Tensor, users: Tensor, relevant: UserItems) -> None:
        """Add users.

        Args:
            ranked: Items of each user, best first, int64 (n, max(ks)) or the whole
                catalogue, padded with -1.
            users: Their numbers, int64 (n,).
            relevant: The relevant items of all users.

        Raises:
            ValueError: If there are fewer ranks than the largest cut-off.
        """
        needed = min(max(self.ks), relevant.n_items)
        if ranked.shape[1] < needed:
            raise ValueError(
                f"The largest cut-off is {max(self.ks)}, but only {ranked.shape[1]} "
                f"items are ranked: rank at least {needed}."
            )
        n_relevant = relevant.counts[users]
        counted = n_relevant > 0
        is_hit = hits(ranked, users, relevant)
        metrics = self._metrics(is_hit, n_relevant.clamp_min(1))
        values = torch.stack([metrics[key] for key in self.keys]).double()
        self.sums += values.where(counted, 0).sum(1)
        self.latest = values.where(counted, torch.nan)
        self.n_users += counted.sum()

    def compute(self) -> dict[str, Tensor]:
        """The means, float32 scalars; NaN if no user had a relevant item."""
        means = (self.sums / self.n_users).float()
        return dict(zip(self.keys, means.unbind(), strict=True))


class Exposure(Metric):
    """Catalogue coverage, relative popularity and novelty of the recommended items.

    ``coverage@k`` is the share of the catalogue that is in the top k of some user.
    ``popularity@k`` is the mean number of training interactions of an item in a top k,
    divided by that of an item in a training interaction.
    ``novelty@k`` is the mean information of an item in a top k, in bits: -log2 of its
    share of the training interactions (Vargas and Castells 2011,
    doi:10.1145/2043932.2043955). An item without any counts as one with one.

    Args:
        popularity: Training interactions of each item, (n_items,).
        k: Cut-off.
        kwargs: See torchmetrics.Metric.

    >>> metric = Exposure(torch.tensor([3.0, 1.0]), k=1)
    >>> metric.update(torch.tensor([[0, 1], [0, 1]]))
    >>> {name: round(float(value), 3) for name, value in metric.compute().items()}
    {'coverage@1': 0.5, 'popularity@1': 1.2, 'novelty@1': 0.415}
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update: bool = False

    shown: Tensor
    popularity: Tensor

    def __init__(self, popularity: Tensor, k: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_at_least(1, k=k)
        self.k = k
        self.register_buffer("popularity", popularity.double(), persistent=False)
        zeros = torch.zeros(len(popularity), dtype=torch.int64)
        self.add_state("shown", zeros, dist_reduce_fx="sum")

    def update(self, ranked: Tensor) -> None:
        """Add the items of users, best first, int64 (n, >= k), padded with -1."""
        top = ranked[:, : self.k].flatten()
        # padding is counted in an extra place, so that no shape depends on data
        place = torch.where(top < 0, len(self.shown), top)
        self.shown += torch.bincount(place, minlength=len(self.shown) + 1)[:-1]

    def compute(self) -> dict[str, Tensor]:
        """Coverage, popularity and novelty, float32 scalars."""
        counts, shown = self.popularity, self.shown / self.shown.sum()
        mean_of_train = counts.square().sum() / counts.sum()
        bits = (counts.sum() / counts.clamp_min(1)).log2()
        return {
            f"coverage@{self.k}": (self.shown > 0).float().mean(),
            f"popularity@{self.k}": ((shown * counts).sum() / mean_of_train).float(),
            f"novelty@{self.k}": (shown * bits).sum().float(),
        }
