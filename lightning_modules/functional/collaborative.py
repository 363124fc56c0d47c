"""Losses of collaborative metric learning (eq. 51-56), on squared distances.

Users and items are points of one space; positive items, those that a user interacted
with, should be nearer to the user than all others. Hsieh et al. 2017, "Collaborative
Metric Learning", WWW, doi:10.1145/3038912.3052639.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Hardest(NamedTuple):
    """The negative that is used for each positive.

    Attributes:
        place: Its position among the candidates, int64 (n,).
        rank: Estimate of the positive's rank, 0 where no candidate is an impostor.
        impostor: Whether the hinge is above 0.
    """

    place: Tensor
    rank: Tensor
    impostor: Tensor


def metric_hinge(
    positive: Float[Tensor, "..."], negative: Float[Tensor, "..."], margin: float
) -> Float[Tensor, "..."]:
    r"""The bracket of eq. 52, :math:`[m + d(i, j)^2 - d(i, k)^2]_+`.

    Args:
        positive: Squared distance of the user to the positive item.
        negative: Squared distance of the user to the other item.
        margin: m > 0, in squared units of the space.

    >>> metric_hinge(torch.tensor(1.0), torch.tensor([0.5, 9.0]), 1.0)
    tensor([1.5000, 0.0000])
    """
    return (margin + positive - negative).clamp_min(0)


def hardest_negatives(
    positive: Float[Tensor, " n"],
    negatives: Float[Tensor, "n u"],
    allowed: Bool[Tensor, "n u"],
    margin: float,
    n_items: int,
) -> Hardest:
    r"""The candidate with the largest hinge, and a rank estimated from U candidates.

    Of the U candidates of a pair M are impostors, :math:`d(i, k)^2 < d(i, j)^2 + m`;
    among J items there are then about :math:`J M / U` of them, which takes the place of
    the rank in eq. 53 (section 3.3 of the paper: one pass instead of sampling until an
    impostor is met).

    Args:
        positive: Squared distances to the positive items.
        negatives: Squared distances to U candidates each.
        allowed: Which candidates may be used; known positives may not, and don't count
            in U either.
        margin: m > 0.
        n_items: J.

    >>> near, far = torch.tensor([1.0]), torch.tensor([[0.5, 1.5, 9.0, 0.1]])
    >>> allowed = torch.tensor([[True, True, True, False]])
    >>> hardest_negatives(near, far, allowed, 1.0, n_items=30)
    Hardest(place=tensor([0]), rank=tensor([20.]), impostor=tensor([True]))
    """
    nearest, place = negatives.masked_fill(~allowed, torch.inf).min(1)
    reach = (positive + margin)[:, None]
    impostors = ((negatives < reach) & allowed).sum(1)
    usable = allowed.sum(1).clamp_min(1)
    rank = (n_items * impostors / usable).floor()
    return Hardest(place, rank, nearest < reach[:, 0])


def first_impostors(
    positive: Float[Tensor, " n"],
    negatives: Float[Tensor, "n u"],
    allowed: Bool[Tensor, "n u"],
    margin: float,
    n_items: int,
) -> Hardest:
    r"""The first impostor among the candidates, and a rank from its position.

    Drawing until an impostor is met takes N draws where the positive has rank about
    :math:`\lfloor J / N \rfloor` (WARP, Weston et al. 2011; section 3.3 of the CML
    paper). All U candidates are compared in one pass; known positives are not counted
    as draws. Where none is an impostor the rank is 0.

    Arguments are those of `hardest_negatives`, with the candidates in the order of the
    draws; distances may be other costs, too.

    >>> near, far = torch.tensor([1.0]), torch.tensor([[0.5, 9.0, 1.5, 0.1]])
    >>> allowed = torch.tensor([[False, True, True, True]])
    >>> first_impostors(near, far, allowed, 1.0, n_items=30)
    Hardest(place=tensor([2]), rank=tensor([15.]), impostor=tensor([True]))
    """
    impostors = (negatives < (positive + margin)[:, None]) & allowed
    is_met = impostors.any(1)
    place = impostors.int().argmax(1)  # the first of equal values
    draws = allowed.cumsum(1).gather(1, place[:, None])[:, 0].clamp_min(1)
    return Hardest(place, (n_items / draws).floor() * is_met, is_met)


def smooth_hinge(
    positive: Float[Tensor, " n"],
    negatives: Float[Tensor, "n u"],
    allowed: Bool[Tensor, "n u"],
    margin: float,
    temperature: float,
) -> Float[Tensor, " n"]:
    r"""Smooth upper bound of the hinge at the hardest of U candidates.

    .. math:: \tau \log\Bigl(1 + \sum_k e^{(m + d(i, j)^2 - d(i, k)^2) / \tau}\Bigr)

    It is never below the hinge of any candidate, at most :math:`\tau \log(U + 1)` above
    the largest, and tends to that one as :math:`\tau \to 0`. Its gradient moves every
    candidate, the nearest most.

    Args:
        positive: Squared distances to the positive items.
        negatives: Squared distances to U candidates each.
        allowed: Which candidates may be used.
        margin: m, in squared units of the space.
        temperature: Tau > 0, in squared units of the space.

    >>> near, far = torch.tensor([1.0]), torch.tensor([[0.5, 1.5, 9.0]])
    >>> allowed = torch.tensor([[True, True, True]])
    >>> smooth_hinge(near, far, allowed, 1.0, temperature=0.1)
    tensor([1.5000])
    """
    over = (margin + positive)[:, None] - negatives
    over = over.div_(temperature).masked_fill_(~allowed, -torch.inf)
    return temperature * torch.nn.functional.softplus(over.logsumexp(1))


def rank_weight(rank: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    r"""Rank weight of eq. 53, :math:`w = \log(\text{rank} + 1)`.

    >>> rank_weight(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    return (rank + 1).log()


def popularity_heights(counts: Int[Tensor, " n"], weight: float) -> Float[Tensor, " n"]:
    r"""Squared heights of items over the space of the users, by their popularity.

    .. math:: h_j^2 = \gamma \log \frac{1 + \max_k n_k}{1 + n_j}

    As one more coordinate of an item they are added to its squared distance to every
    user, so that of two items at the same distance the popular one is nearer. With the
    smooth hinge's temperature an item is then as much likelier as the power
    :math:`\gamma / \tau` of its count says, which points of a ball can't express for
    many items at once.

    Args:
        counts: Training interactions of each item, n_j.
        weight: Gamma, in squared units of the space.

    >>> popularity_heights(torch.tensor([0, 1, 3]), 0.5)
    tensor([0.6931, 0.3466, 0.0000])
    """
    logs = (counts + 1).to(torch.get_default_dtype()).log()
    return weight * (logs.max() - logs)


def feature_loss(
    predicted: Float[Tensor, "n d"], points: Float[Tensor, "n d"]
) -> Float[Tensor, ""]:
    r"""Feature loss of eq. 54, :math:`\lVert f(x_j) - v_j \rVert^2`, mean over items.

    >>> feature_loss(torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 1.0]]))
    tensor(4.)
    """
    return (predicted - points).square().sum(1).mean()


def covariance_penalty(points: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    r"""Sum of the squared covariances of different coordinates (eq. 55).

    .. math:: \lVert C \rVert_F^2 - \lVert \text{diag}\, C \rVert_2^2, \qquad
              C_{kl} = \frac1N \sum_n (y^n_k - \mu_k)(y^n_l - \mu_l)

    As printed, the first norm is not squared and the difference is divided by N once
    more, which makes it depend on the size of the batch; this is the form of Cogswell
    et al. 2016 (arXiv:1511.06068) without their factor 1/2.

    >>> covariance_penalty(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    tensor(2.)
    """
    centred = points - points.mean(0)
    covariance = centred.T @ centred / len(points)
    # zeros instead of the diagonal, not a difference of two large sums
    others = 1 - torch.eye(len(covariance), device=points.device, dtype=points.dtype)
    return (covariance * others).square().sum()


@torch.no_grad()
def project_rows_(
    table: Float[Tensor, "n d"], rows: Int[Tensor, " m"] | None = None
) -> None:
    """Project rows to the unit ball (eq. 56), in place.

    Rows inside stay unchanged: this is a projection to the ball, not the sphere.

    Args:
        table: Points.
        rows: Numbers of the rows to project, repeats allowed; None: all.

    >>> table = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    >>> project_rows_(table, torch.tensor([0, 1, 0]))
    >>> table
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    touched = table if rows is None else table.index_select(0, rows)
    norms = torch.linalg.vector_norm(touched, dim=1, keepdim=True)
    if rows is None:
        table.div_(norms.clamp_min(1))
        return
    if rows.device.type == "cpu":  # elsewhere counting them would wait for the device
        (outside,) = (norms[:, 0] > 1).nonzero(as_tuple=True)
        rows, touched, norms = (x[outside] for x in (rows, touched, norms))
    # equal rows get equal values, whichever comes last
    table.index_copy_(0, rows, touched / norms.clamp_min(1))
