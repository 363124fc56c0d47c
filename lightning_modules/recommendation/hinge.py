"""Rankers whose loss is the hinge at one negative, weighted by the positive's rank."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from lightning_modules.core.validation import check_choice, check_positive
from lightning_modules.functional import collaborative as F
from lightning_modules.recommendation.pairwise import PairRanker

CACHED = 2**18  # coordinates that are worked on at a time by a CPU, 1 MB
Negative = Literal["hardest", "first"]


class HingeRanker(PairRanker):
    r"""Pairs are to cost less than other items by a margin (eq. 51-53).

    .. math:: w_{ij} [m + c(i, j) - c(i, k)]_+, \qquad
              w_{ij} = \log(\text{rank} + 1)

    Args:
        margin: m > 0, in units of the cost.
        negative: Which candidate k is. ``hardest``: the one with the largest hinge,
            with rank floor(J M / U), M of U candidates being impostors. ``first``: the
            first impostor, the N-th candidate, with rank floor(J / N) (WARP).
        rank_weighted: Whether the hinge is weighted; without, all pairs count equally.
        **options: See `PairRanker`.
    """

    def __init__(
        self, margin: float, negative: Negative, rank_weighted: bool, **options: Any
    ) -> None:
        super().__init__(**options)
        check_positive(margin=margin)
        check_choice("negative", negative, get_args(Negative))
        self.margin, self.negative = margin, negative
        self.rank_weighted = rank_weighted

    def costs(self, user: Tensor, items: Tensor) -> Tensor:
        """Costs (n, ...) of items int64 (n, ...) for user rows (n, d); low is good."""
        raise NotImplementedError

    @torch.no_grad()
    def choose(
        self, users: Tensor, items: Tensor, drawn: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The negative of each pair, int64 (n,), and the weight of its hinge, (n,)."""
        user = self.users(users)
        both = self._in_pieces(user, torch.cat([items[:, None], drawn], 1))
        pick = F.hardest_negatives
        if self.negative == "first":
            pick = F.first_impostors
        found = pick(both[:, 0], both[:, 1:], allowed, self.margin, self.n_items)
        weight = found.impostor.to(both)
        if self.rank_weighted:
            weight = F.rank_weight(found.rank) * weight
        if self.recording:
            self.record(impostors=(weight > 0).float().mean())
        return drawn.gather(1, found.place[:, None])[:, 0], weight

    def _in_pieces(self, user: Tensor, items: Tensor) -> Tensor:
        """`costs`; on a CPU for few pairs at a time, so that caches hold them."""
        size = len(items)
        if user.device.type == "cpu":
            size = max(1, CACHED // (items[0].numel() * user.shape[1]))
        pieces = zip(torch.split(user, size), torch.split(items, size), strict=True)
        return torch.cat([self.costs(*piece) for piece in pieces])
