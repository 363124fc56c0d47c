"""Mining of pairs and triplets in a batch."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Mining = Literal["all", "semi-hard", "hard"]


class Triplets(NamedTuple):
    """Distances d(a, p) and d(a, n) that broadcast, and a mask of valid triplets."""

    positive: Tensor
    negative: Tensor
    mask: Tensor


def mine_triplets(
    distances: Float[Tensor, "n n"], labels: Int[Tensor, " n"], how: Mining = "hard"
) -> Triplets:
    """Triplets of a batch: anchor and positive of one class, the negative of another.

    Shapes depend on the number of rows alone, so that there is no synchronisation.

    Args:
        distances: Between all rows of the batch.
        labels: Class of each row.
        how: ``all`` uses every triplet, shape (n, n, n); ``semi-hard`` the nearest
            negative that is farther than the positive, or the farthest if none is, for
            every pair, (n, n) (arXiv:1503.03832, section 3.2); ``hard`` the farthest
            positive and the nearest negative of every anchor, (n,) (arXiv:1703.07737).

    >>> x = torch.tensor([[0.0], [1.0], [3.0], [4.0]])
    >>> triplets = mine_triplets((x - x.T).abs(), torch.tensor([0, 0, 0, 1]))
    >>> triplets.positive[triplets.mask], triplets.negative[triplets.mask]
    (tensor([3., 2., 3.]), tensor([4., 3., 1.]))
    """
    same, different = pairs(labels)
    near = distances.masked_fill(~different, torch.inf)
    if how == "hard":
        farthest = distances.masked_fill(~same, -torch.inf).amax(1)
        return _finite(farthest, near.amin(1))
    if how == "semi-hard":
        beyond = near[:, None].masked_fill(
            near[:, None] <= distances[..., None], torch.inf
        )
        nearest = beyond.amin(2)
        last = distances.masked_fill(~different, -torch.inf).amax(1, keepdim=True)
        negative = torch.where(nearest.isfinite(), nearest, last)
        return _finite(distances.masked_fill(~same, -torch.inf), negative)
    positive = distances.masked_fill(~same, -torch.inf)
    return _finite(positive[..., None], near[:, None])


def pairs(labels: Int[Tensor, " n"]) -> tuple[Bool[Tensor, "n n"], Bool[Tensor, "n n"]]:
    """Masks of the other rows of the same class and of the rows of different classes.

    >>> pairs(torch.tensor([0, 0, 1]))[0].int().tolist()
    [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    same = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def _finite(positive: Tensor, negative: Tensor) -> Triplets:
    mask = positive.isfinite() & negative.isfinite()
    # masked entries must be finite too, or their gradient is NaN
    return Triplets(
        positive.masked_fill(~positive.isfinite(), 0),
        negative.masked_fill(~negative.isfinite(), 0),
        mask,
    )
