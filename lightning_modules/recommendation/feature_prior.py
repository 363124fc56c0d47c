"""Feature prior: how firmly eq. 54 holds items at what their features say."""

import torch
from torch import Tensor, nn

from lightning_modules.core.distributed import rows_of_all_ranks

HELD_OUT = 20
"""Of so many items one does not train f."""
EVIDENCE = 0.01
"""Share of variance at which the prior has twice its least weight."""
DOUBT = 0.1
"""Share of variance at which a new item is a candidate half as often as others, and
half of a batch's items stand at f(x)."""
ROUNDING = 1e-5
"""Least variance, as a share of the mean square."""
MEMORY = 0.98
"""What remains of a batch's moments after each further batch."""


class FeaturePrior(nn.Module):
    r"""Weight of the prior :math:`v_j \sim N(f(x_j), \sigma^2)` of items.

    .. math:: \lambda_f \Bigl(1 + \frac{R^2}{0.01}\Bigr) \sum_j
              \lVert v_j - f(x_j) \rVert^2

    The sum is over items and counts each once in an epoch: a pair of item j counts
    :math:`1 / n_j` where j has :math:`n_j` training pairs, so that an item with many
    pairs leaves f(x), and one with few stays near.

    :math:`R^2` says whether features tell anything. Residuals can't say that, since f
    is trained to make them small, whatever the features are. It is the squared
    correlation between f(x) and the users who took the item, over a twentieth of the
    items, which f is not trained on, and some 50 batches. Features without a meaning
    have none, and the prior its least weight.

    A new item, without a training pair, counts once too, whenever it is a negative. So
    it stays at f(x) where f tells something. Where f tells nothing, that nobody took
    the item is all that is known of it: it is a candidate like any other, and leaves.

    :math:`R^2` also says how often f is asked alone: with probability
    :math:`R^2 / (R^2 + 0.1)` an item of a batch stands at f(x), without what was learnt
    about it, so that f learns to place new items (as in DropoutNet, Volkovs et al.
    2017); never one that f is not trained on, or that has no features. Its pairs don't
    move it then, and its prior does.

    Args:
        dim: Dimension of a point.

    Attributes:
        moments: Sums over batches, the older the less: how many pairs, users, f(x),
            their product and both squares.
    """

    moments: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("moments", torch.zeros(2 * dim + 4))

    def held_out(self, items: Tensor) -> Tensor:
        """Whether items int64 (n,) are kept from training f, bool (n,)."""
        mixed = items * 2654435761 % 2**32 >> 16  # so that no order of items matters
        return mixed % HELD_OUT == 0

    @torch.no_grad()
    def observe(
        self, user: Tensor, encoded: Tensor, items: Tensor, ranks: bool = True
    ) -> None:
        """Count pairs of users (n, d) with f(x) (n, d) of items int64 (n,).

        Args:
            user: Points of the users.
            encoded: Of their items.
            items: Numbers of the items; those that train f are left out.
            ranks: Whether the processes have batches of their own.
        """
        held = self.held_out(items)[:, None].to(user)
        user, encoded = user * held, encoded * held
        products = (user * encoded, user * user, encoded * encoded)
        sums = [held.sum(0), user.sum(0), encoded.sum(0)]
        batch = torch.cat([*sums, *(x.sum().view(1) for x in products)])
        if ranks:
            batch = rows_of_all_ranks(batch).sum(0)
        self.moments.mul_(MEMORY).add_(batch)

    def explained(self) -> Tensor:
        """R^2, a scalar in [0, 1]; 0 before a count, and where f misleads."""
        sizes = [1, self.dim, self.dim, 1, 1, 1]
        n, user, encoded, *products = torch.split(self.moments, sizes)
        tiny = torch.finfo(n.dtype).tiny
        pairs = ((user, encoded), (user, user), (encoded, encoded))
        both, *squares = (
            product - (one * other).sum() / n.clamp_min(tiny)
            for product, (one, other) in zip(products, pairs, strict=True)
        )
        # differences of nearly equal sums are rounding, and explain nothing
        of_users, of_features = (
            torch.maximum(square, ROUNDING * product)
            for square, product in zip(squares, products[1:], strict=True)
        )
        share = both.clamp_min(0).square() / (of_users * of_features).clamp_min(tiny)
        return share[0].clamp_max(1)

    def weight(self) -> Tensor:
        """Factor of lambda_f, at least 1."""
        return 1 + self.explained() / EVIDENCE

    def doubt(self) -> Tensor:
        """Probability that a new item is a candidate as others are."""
        return 1 / (1 + self.explained() / DOUBT)

    def forward(self, rows: Tensor, items: Tensor, counts: Tensor, own: int) -> Tensor:
        """Eq. 54 by pair, for rows v - f(x) (m, d) of items int64 (m,).

        Args:
            rows: Rows.
            items: Items of the batch's pairs, and then their negatives.
            counts: Training pairs of each item, int64 (n_items,).
            own: How many of the rows are those of pairs.
        """
        squares, count = rows.square().sum(1), counts[items]
        new = (count == 0).to(squares)
        mean = (new * squares).sum() / new.sum().clamp_min(1)
        each = (counts == 0).sum() / counts.sum()
        return (squares[:own] / count[:own]).mean() + each * mean
