"""Nearest-neighbour checks for a generator that memorised its training data."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_modules.functional.transport import euclidean_cost


def nearest_rows(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], block: int = 1024
) -> Int[Tensor, " n"]:
    """Index of the nearest row of y for each row of x; the lowest index at ties.

    Works in blocks of rows of x, so memory is ``block * m``.

    >>> nearest_rows(torch.tensor([[0.9], [0.2]]), torch.tensor([[0.0], [1.0]]))
    tensor([1, 0])
    """
    return torch.cat(
        [euclidean_cost(rows, y).argmin(dim=1) for rows in torch.split(x, block)]
    )


def distinct_nearest_rows(
    samples: Float[Tensor, "n d"], rows: Float[Tensor, "m d"]
) -> int:
    """Number of different rows that are the nearest neighbour of some sample.

    Samples of a generator that memorised a few images are near few training rows.

    >>> rows = torch.tensor([[0.0], [1.0], [2.0]])
    >>> distinct_nearest_rows(torch.tensor([[0.1], [-0.1], [2.2]]), rows)
    2
    """
    return len(torch.unique(nearest_rows(samples, rows)))


def nearest_neighbour_two_sample_accuracy(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], block: int = 1024
) -> float:
    """Leave-one-out accuracy of a 1-nearest-neighbour classifier between two sets.

    Args:
        x: Samples of one distribution.
        y: As many samples of the other.
        block: Rows processed at a time.

    Returns:
        Share in [0, 1]. 0.5 is ideal: the sets can't be told apart. 1 means that they
        are separate; well below 0.5 that one set copies the other, since then each
        point's nearest neighbour is its copy.

    References:
        Lopez-Paz and Oquab 2017, arXiv:1610.06545; Xu et al. 2018, arXiv:1806.07755.

    >>> x = torch.tensor([[0.0], [0.1]])
    >>> nearest_neighbour_two_sample_accuracy(x, x + 5)
    1.0
    """
    both = torch.cat([x, y])
    is_x = torch.arange(len(both), device=both.device) < len(x)
    hits = 0
    for first in range(0, len(both), block):
        distance = euclidean_cost(both[first : first + block], both)
        own = torch.arange(len(distance), device=both.device)
        distance[own, own + first] = torch.inf
        nearest = is_x[distance.argmin(dim=1)]
        hits += int((nearest == is_x[first : first + block]).sum())
    return hits / len(both)
