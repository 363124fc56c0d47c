"""A transfer weight that needs no tuning."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.core.distributed import rows_of_all_ranks
from lightning_modules.core.validation import check_nonnegative

TransferWeight = float | Literal["auto"]
Ramp = Literal["constant", "sigmoid"]
MEMORY = 0.99  # of the running means of the norms


class GradientBalance(nn.Module):
    r"""Lambda by which the transfer term moves features as much as the classes do.

    .. math:: \lambda_t = \rho \,
              \frac{\lVert \nabla_h \mathcal L_c \rVert}{\lVert \nabla_h T \rVert}

    with running means of the norms of both gradients at a batch's features, so neither
    the unit of the features nor that of the term matters. Where the classes are learnt
    their gradient vanishes, and lambda with it: a term that fights the classes never
    wins.

    Args:
        share: Rho, the transfer term's part of the classes' gradient.

    >>> balance, h = GradientBalance(share=0.5), torch.ones(4, requires_grad=True)
    >>> balance(2 * h.sum(), 8 * h.sum(), [h])
    tensor(0.1250)
    """

    norms: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.register_buffer("norms", torch.zeros(2))

    def forward(self, loss: Tensor, transfer: Tensor, features: list[Tensor]) -> Tensor:
        """Lambda of this step, a scalar.

        Args:
            loss: Of the classes.
            transfer: The transfer term.
            features: What both were computed from.
        """
        norms = torch.stack([_norm_of_gradient(x, features) for x in (loss, transfer)])
        norms = rows_of_all_ranks(norms).mean(0)
        old = torch.where(self.norms.any(), self.norms, norms)
        self.norms.copy_(torch.lerp(norms, old, MEMORY))
        tiny = torch.finfo(torch.float32).tiny
        return self.share * self.norms[0] / self.norms[1].clamp_min(tiny)


def _norm_of_gradient(loss: Tensor, features: list[Tensor]) -> Tensor:
    gradients = torch.autograd.grad(
        loss, features, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    rows: Tensor = torch.cat([gradient.float().flatten() for gradient in gradients])
    size: Tensor = torch.linalg.vector_norm(rows)
    return size


def sigmoid_ramp(done: float) -> float:
    """From 0 to nearly 1 while the share of the steps that is done goes to 1.

    References:
        Ganin et al. 2016, arXiv:1505.07818.

    >>> sigmoid_ramp(0.0), round(sigmoid_ramp(1.0), 4)
    (0.0, 0.9999)
    """
    return 2 / (1 + math.exp(-10 * done)) - 1


def check_transfer_weight(weight: TransferWeight, name: str, *, balances: bool) -> None:
    """Refuse a negative weight, and ``auto`` where a method can't have it.

    Args:
        weight: Lambda.
        name: Of the method.
        balances: Whether lambda multiplies the method's transfer term.
    """
    if weight != "auto":
        check_nonnegative(transfer_weight=weight)
    elif not balances:
        raise ValueError(
            f"model.transfer_weight 'auto' is not for {name}, whose weight is that of "
            "a reversed gradient: set a number."
        )
