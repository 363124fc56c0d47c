"""Fused smooth hinge for pairs that share their candidates."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def shared_smooth_hinge(
    user: Float[Tensor, "n d"],
    negatives: Float[Tensor, "u d"],
    positive: Float[Tensor, " n"],
    allowed: Bool[Tensor, "n u"],
    margin: float,
    temperature: float,
) -> Float[Tensor, " n"]:
    r"""`smooth_hinge` at the squared distances of all users to all candidates.

    .. math:: \ell_i = \tau \log\Bigl(1 + \sum_k e^{a_{ik}}\Bigr), \qquad
              a_{ik} = (m + d(i, j)^2 - \lVert u_i - v_k \rVert^2) / \tau

    The share :math:`p_{ik} = e^{a_{ik}} / (1 + \sum_l e^{a_{il}})` is the derivative by
    :math:`-d(i, k)^2`. It takes the place of a in the forward pass, and the gradients
    are two products with it:

    .. math:: \partial \ell_i / \partial u_i = 2 \sum_k p_{ik} (v_k - u_i), \qquad
              \partial \ell_i / \partial v_k = 2 p_{ik} (u_i - v_k)

    It can be differentiated once.

    Args:
        user: Points of the users.
        negatives: Points of the candidates.
        positive: Squared distances to the positive items.
        allowed: Which candidates a pair may use.
        margin: m, in squared units of the space.
        temperature: Tau > 0, in squared units of the space.

    >>> user, negatives = torch.zeros(1, 1), torch.tensor([[0.5], [3.0]])
    >>> near, allowed = torch.tensor([1.0]), torch.ones(1, 2, dtype=torch.bool)
    >>> shared_smooth_hinge(user, negatives, near, allowed, 1.0, temperature=0.1)
    tensor([1.7500])
    """
    options = margin, temperature
    loss: Tensor = _Hinge.apply(user, negatives, positive, allowed, *options)
    return loss


class _Hinge(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        user: Tensor,
        negatives: Tensor,
        positive: Tensor,
        allowed: Tensor,
        margin: float,
        temperature: float,
    ) -> Tensor:
        left, right = _factors(user, negatives, margin + positive, temperature)
        shares = (left @ right.T).masked_fill_(~allowed, -torch.inf)
        totals = _shares_(shares)
        ctx.save_for_backward(user, negatives, shares, totals)
        return temperature * torch.nn.functional.softplus(totals)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        user, negatives, shares, totals = ctx.saved_tensors
        grad, mass = grads[0][:, None], totals.sigmoid()[:, None]
        to_user = 2 * grad * (shares @ negatives - mass * user)
        pulled, weight = (shares.T @ torch.cat([grad * user, grad], 1)).tensor_split(
            [user.shape[1]], 1
        )
        to_negatives = 2 * (pulled - weight * negatives)
        return to_user, to_negatives, (grad * mass)[:, 0], None, None, None


def _factors(
    user: Tensor, negatives: Tensor, reach: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Matrices (n, d + 2) and (U, d + 2) whose product is a."""
    lengths, far = (rows.square().sum(1, keepdim=True) for rows in (user, negatives))
    ones_left, ones_right = torch.ones_like(lengths), torch.ones_like(far)
    left = torch.cat([2 * user, reach[:, None] - lengths, ones_left], 1)
    right = torch.cat([negatives, ones_right, -far], 1)
    return left / temperature, right


def _shares_(over: Tensor) -> Tensor:
    """Log-sums (n,) of exponentials of rows (n, U), which are turned into shares."""
    most = over.max(1, keepdim=True).values.clamp_min(torch.finfo(over.dtype).min)
    total = over.sub_(most).exp_().sum(1, keepdim=True)
    logs = total.log() + most
    over.mul_(logs.sigmoid() / total.clamp_min(torch.finfo(over.dtype).tiny))
    return logs[:, 0]
