"""Fused smooth hinge for pairs that share their candidates."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus


def shared_smooth_hinge(
    user: Float[Tensor, "k d"],
    negatives: Float[Tensor, "u d"],
    positive: Float[Tensor, " n"],
    allowed: Bool[Tensor, "k u"],
    margin: float,
    temperature: float,
    owner: Int64[Tensor, " n"] | None = None,
    beyond: Float[Tensor, " u"] | None = None,
) -> Float[Tensor, " n"]:
    r"""`smooth_hinge` of pairs (i, j), at squared distances to all candidates.

    .. math:: \ell_{ij} = \tau \log\Bigl(1 + e^{(m + d(i, j)^2) / \tau}
              \sum_k e^{-\lVert u_i - v_k \rVert^2 / \tau}\Bigr)

    The sum over the candidates is the same for all pairs of a user and is taken once.
    With :math:`s_{ij} \in (0, 1)` the derivative by :math:`d(i, j)^2` and
    :math:`p_{ik}` candidate k's share of user i's sum, which takes the place of the
    distances in the forward pass, the gradients are two products:

    .. math:: \partial \ell_{ij} / \partial u_i = 2 s_{ij} \sum_k p_{ik} (v_k - u_i),
              \qquad \partial \ell_{ij} / \partial v_k = 2 s_{ij} p_{ik} (u_i - v_k)

    beside those by way of :math:`d(i, j)^2`. It can be differentiated once.

    Args:
        user: Points of the users.
        negatives: Points of the candidates.
        positive: Squared distances of the pairs to their positive items.
        allowed: Which candidates a user's pairs may use.
        margin: m, in squared units of the space.
        temperature: Tau > 0, in squared units of the space.
        owner: The user of each pair; None where each user has one.
        beyond: Added to all squared distances to a candidate, without a gradient;
            None adds nothing.

    >>> user, negatives = torch.zeros(1, 1), torch.tensor([[0.5], [3.0]])
    >>> near, allowed = torch.tensor([1.0]), torch.ones(1, 2, dtype=torch.bool)
    >>> shared_smooth_hinge(user, negatives, near, allowed, 1.0, temperature=0.1)
    tensor([1.7500])
    """
    sums: Tensor = _LogSums.apply(user, negatives, allowed, temperature, beyond)
    if owner is not None:
        sums = sums[owner]
    return temperature * softplus((margin + positive) / temperature + sums)


class _LogSums(torch.autograd.Function):
    """Logarithm (k,) of a user's sum over the candidates."""

    @staticmethod
    def forward(
        ctx: Any,
        user: Tensor,
        negatives: Tensor,
        allowed: Tensor,
        temperature: float,
        beyond: Tensor | None,
    ) -> Tensor:
        left, right = _factors(user, negatives, temperature, beyond)
        shares = (left @ right.T).masked_fill_(~allowed, -torch.inf)
        sums = _shares_(shares)
        ctx.save_for_backward(user, negatives, shares)
        ctx.rate = 2 / temperature
        return sums

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        user, negatives, shares = ctx.saved_tensors
        grad = ctx.rate * grads[0][:, None]
        to_user = grad * (shares @ negatives - shares.sum(1, keepdim=True) * user)
        pulled, weight = (shares.T @ torch.cat([grad * user, grad], 1)).tensor_split(
            [user.shape[1]], 1
        )
        return to_user, pulled - weight * negatives, None, None, None


def _factors(
    user: Tensor, negatives: Tensor, temperature: float, beyond: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Matrices with product (k, U) -(||u_i - v_k||^2 + beyond_k) / tau."""
    lengths, far = (rows.square().sum(1, keepdim=True) for rows in (user, negatives))
    if beyond is not None:
        far = far + beyond[:, None]
    ones_left, ones_right = torch.ones_like(lengths), torch.ones_like(far)
    left = torch.cat([2 * user, -lengths, ones_left], 1)
    right = torch.cat([negatives, ones_right, -far], 1)
    return left / temperature, right


def _shares_(logs: Tensor) -> Tensor:
    """Log-sums (k,) of exponentials of rows (k, U), which are turned into shares."""
    most = logs.max(1, keepdim=True).values.clamp_min(torch.finfo(logs.dtype).min)
    total = logs.sub_(most).exp_().sum(1, keepdim=True)
    logs.div_(total.clamp_min(torch.finfo(logs.dtype).tiny))
    return (total.log() + most)[:, 0]
