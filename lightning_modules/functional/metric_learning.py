"""Losses of metric learning: pairs, triplets, LMNN (eq. 47-50).

They take distances, not points, so that any function of `distance` can be used:
``euclidean(x, y)`` for pairs, ``pairwise(euclidean, z, z)`` for a whole batch. The
squares of eq. 47 and 50 are computed here: pass distances, not squared ones.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Mask = Bool[Tensor, "..."] | None


def contrastive_loss(
    distance: Float[Tensor, "..."],
    same: Bool[Tensor, "..."],
    margin: float = 1.0,
    mask: Mask = None,
) -> Float[Tensor, ""]:
    r"""Contrastive loss (eq. 47): similar pairs near, others beyond a margin; mean.

    .. math:: y \, d^2 + (1 - y) \, (\alpha - d)_+^2

    Args:
        distance: Distance of each pair, at least 0.
        same: y, whether the two are of the same class.
        margin: alpha > 0, in units of the distance.
        mask: Entries that count; None: all. Where none counts, the loss is 0.

    Raises:
        ValueError: If the margin is not positive, or there is no pair.

    References:
        Hadsell, Chopra, LeCun 2006, doi:10.1109/CVPR.2006.100, eq. 4.

    >>> d, same = torch.tensor([3.0, 0.5, 2.0]), torch.tensor([True, False, False])
    >>> contrastive_loss(d, same)  # (3^2 + 0.5^2 + 0) / 3
    tensor(3.0833)
    """
    _check(margin, distance)
    short = (margin - distance).clamp_min(0)
    return _mean(torch.where(same, distance, short).square(), mask)


def triplet_loss(
    positive: Float[Tensor, "..."],
    negative: Float[Tensor, "..."],
    margin: float = 1.0,
    mask: Mask = None,
) -> Float[Tensor, ""]:
    r"""Triplet loss (eq. 48): positives nearer than negatives by a margin; mean.

    .. math:: (d(a, p) - d(a, n) + \alpha)_+

    Args:
        positive: d(a, p) of each triplet; broadcasts against ``negative``.
        negative: d(a, n) of each triplet.
        margin: alpha > 0, in units of the distance.
        mask: Entries that count; None: all. Where none counts, the loss is 0.

    Raises:
        ValueError: If the margin is not positive, or there is no triplet.

    References:
        Schroff et al. 2015, "FaceNet", arXiv:1503.03832, eq. 3, there with squared
        distances: pass those to reproduce it.

    >>> triplet_loss(torch.tensor([1.0, 1.0]), torch.tensor([1.5, 3.0]))
    tensor(0.2500)
    """
    _check(margin, positive, negative)
    return _mean((positive - negative + margin).clamp_min(0), mask)


def improved_triplet_loss(
    positive: Float[Tensor, "..."],
    negative: Float[Tensor, "..."],
    margin: float = 1.0,
    mask: Mask = None,
) -> Float[Tensor, ""]:
    r"""`triplet_loss` that also pulls positives to the anchor (eq. 49), mean.

    .. math:: d(a, p) + (d(a, p) - d(a, n) + \alpha)_+

    Args:
        positive: d(a, p) of each triplet; broadcasts against ``negative``.
        negative: d(a, n) of each triplet.
        margin: alpha > 0, in units of the distance.
        mask: Entries that count; None: all. Where none counts, the loss is 0.

    Raises:
        ValueError: If the margin is not positive, or there is no triplet.

    References:
        Cheng et al. 2016, doi:10.1109/CVPR.2016.149, for a bound on d(a, p).

    >>> improved_triplet_loss(torch.tensor([1.0]), torch.tensor([1.5]))
    tensor(1.5000)
    """
    _check(margin, positive, negative)
    gap = (positive - negative + margin).clamp_min(0)
    return _mean(positive + gap, mask)


def lmnn_pull(
    targets: Float[Tensor, "n k"], real: Bool[Tensor, "n k"] | None = None
) -> Float[Tensor, ""]:
    r"""Pull term of LMNN (eq. 50): rows to their target neighbours; mean over rows.

    .. math:: \sum_{j \sim i} d(i, j)^2

    Args:
        targets: d(i, j) of every row to its k target neighbours.
        real: Mask of those that exist, see `target_neighbours`; None: all.

    >>> lmnn_pull(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    tensor(3.)
    """
    squared = targets.square()
    return (squared if real is None else squared * real).sum(1).mean()


def lmnn_push(
    targets: Float[Tensor, "n k"],
    others: Float[Tensor, "n m"],
    different: Bool[Tensor, "n m"],
    margin: float = 1.0,
    real: Bool[Tensor, "n k"] | None = None,
) -> Float[Tensor, ""]:
    r"""Push term of LMNN (eq. 50): impostors beyond a margin; mean over rows.

    .. math:: \sum_{j \sim i} \sum_l (1 - y_{il}) \,
              [\alpha + d(i, j)^2 - d(i, l)^2]_+

    The sum runs over the target neighbours j of row i and all rows l of another class;
    those with a positive bracket are called impostors.

    Args:
        targets: d(i, j) of every row to its k target neighbours.
        others: d(i, l) of every row to m rows.
        different: Whether row l is of another class than row i.
        margin: alpha > 0, in squared units of the distance; 1 in the paper.
        real: Mask of the target neighbours that exist; None: all.

    Raises:
        ValueError: If the margin is not positive.

    References:
        Weinberger and Saul 2009, "Distance metric learning for large margin nearest
        neighbor classification", JMLR 10, eq. 12.

    >>> targets, others = torch.tensor([[1.0]]), torch.tensor([[0.5, 1.0, 9.0]])
    >>> lmnn_push(targets, others, torch.tensor([[True, False, True]]))
    tensor(1.7500)
    """
    _check(margin, targets, others)
    reach = margin + targets.square()[:, :, None] - others.square()[:, None]
    counts = different[:, None]
    if real is not None:
        counts = counts & real[..., None]
    return (reach.clamp_min(0) * counts).sum((1, 2)).mean()


def target_neighbours(
    distances: Float[Tensor, "n n"], labels: Int[Tensor, " n"], k: int
) -> tuple[Int[Tensor, "n k"], Bool[Tensor, "n k"]]:
    """Target neighbours: the k nearest other rows of the same class.

    Args:
        distances: Distances between all rows, in the space of the neighbourhoods.
        labels: Class of each row.
        k: Number of neighbours, at most n - 1.

    Returns:
        Their row numbers, nearest first, and a mask of those that exist: rows of a
        class of c rows have only c - 1 neighbours.

    Raises:
        ValueError: If k is out of its range.

    >>> x = torch.tensor([[0.0], [1.0], [5.0], [1.5]])
    >>> distances = (x - x.T).abs()
    >>> rows, real = target_neighbours(distances, torch.tensor([0, 0, 0, 1]), 2)
    >>> rows.tolist()[0], real.tolist()
    ([1, 2], [[True, True], [True, True], [True, True], [False, False]])
    """
    if not 1 <= k < len(labels):
        raise ValueError(f"k must be from 1 to {len(labels) - 1}, got {k}.")
    same = labels[:, None] == labels[None]
    same.fill_diagonal_(False)
    nearest = distances.masked_fill(~same, torch.inf).topk(k, largest=False)
    return nearest.indices, nearest.values.isfinite()


def _check(margin: float, *distances: Tensor) -> None:
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin}.")
    if not all(d.numel() for d in distances):
        raise ValueError("A mean needs at least one pair or triplet, got none.")


def _mean(values: Tensor, mask: Mask) -> Tensor:
    if mask is None:
        return values.mean()
    counted = mask.expand(values.shape)
    # not a product: masked values may be infinite
    return values.where(counted, 0).sum() / counted.sum().clamp_min(1)
