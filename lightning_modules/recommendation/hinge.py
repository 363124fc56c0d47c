"""Rank-weighted hinge of CML and WARP (eq. 51-53)."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from lightning_modules.core.validation import check_choice, check_positive
from lightning_modules.functional import collaborative as F

CACHED = 2**18  # coordinates that a CPU processes at a time, 1 MB
Negative = Literal["hardest", "first"]
Costs = Callable[[Tensor, Tensor], Tensor]
"""Costs (n, ...) of items int64 (n, ...) for user rows (n, d); lower is better."""


class WeightedNegatives(NamedTuple):
    """Negative of each pair, int64 (n,), and the weight of its hinge, (n,)."""

    items: Tensor
    weight: Tensor


class RankHinge:
    r"""Hinge between the costs of positives and negatives, weighted by rank.

    .. math:: w_{ij} [m + c(i, j) - c(i, k)]_+, \qquad
              w_{ij} = \log(\text{rank} + 1)

    Args:
        margin: m > 0, in units of the cost.
        negative: Candidate k that is used. ``hardest``: the one with the largest hinge,
            with rank floor(J M / U), M of U candidates being impostors. ``first``: the
            first impostor, the N-th candidate, with rank floor(J / N) (WARP).
        rank_weighted: Whether the hinge is weighted; without, all pairs count equally.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(self, margin: float, negative: Negative, rank_weighted: bool) -> None:
        check_positive(margin=margin)
        check_choice("negative", negative, get_args(Negative))
        self.margin, self.negative = margin, negative
        self.rank_weighted = rank_weighted

    @torch.no_grad()
    def choose(
        self,
        costs: Costs,
        user: Tensor,
        items: Tensor,
        candidates: Tensor,
        allowed: Tensor,
        n_items: int,
    ) -> WeightedNegatives:
        """Negatives of pairs, with the weights of their hinges.

        Args:
            costs: Cost function.
            user: Rows of the users, (n, d).
            items: Positive items, int64 (n,).
            candidates: Sampled items, int64 (n, U).
            allowed: Mask of those that are not positives of the user, bool (n, U).
            n_items: J, number of all items.
        """
        both = _in_chunks(costs, user, torch.cat([items[:, None], candidates], 1))
        select = F.hardest_negatives
        if self.negative == "first":
            select = F.first_impostors
        hardest = select(both[:, 0], both[:, 1:], allowed, self.margin, n_items)
        weight = hardest.impostor.to(both)
        if self.rank_weighted:
            weight = F.rank_weight(hardest.rank) * weight
        negatives = candidates.gather(1, hardest.place[:, None])[:, 0]
        return WeightedNegatives(negatives, weight)

    def __call__(self, near: Tensor, far: Tensor, weight: Tensor) -> Tensor:
        """Eq. 52 for costs (n,) of positives and of negatives, the mean over pairs."""
        return (weight * F.metric_hinge(near, far, self.margin)).mean()


def _in_chunks(costs: Costs, user: Tensor, items: Tensor) -> Tensor:
    """Costs of all items; on a CPU in chunks of pairs that fit the cache."""
    size = len(items)
    if user.device.type == "cpu":
        size = max(1, CACHED // (items[0].numel() * user.shape[1]))
    chunks = zip(torch.split(user, size), torch.split(items, size), strict=True)
    return torch.cat([costs(*chunk) for chunk in chunks])
