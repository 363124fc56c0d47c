"""Gradient penalty of GAN, WGAN-GP and WDGRL (eq. 36-40)."""

from collections.abc import Callable
from typing import Literal, get_args

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer

from lightning_modules.core.distributed import joined_rows
from lightning_modules.core.lightning_internals import mixes_rows
from lightning_modules.core.random import RandomStream
from lightning_modules.core.validation import (
    check_at_least,
    check_choice,
    check_nonnegative,
)
from lightning_modules.functional.lipschitz import (
    gradient_norm,
    interpolate,
    penalising,
    squared_excess,
    surroundings,
)

Where = Literal["lines", "data", "around_data"]
NO_SYNC_BATCHNORM = {
    "sync_batchnorm": (
        "is not supported with a gradient penalty, which needs a second derivative "
        "that SyncBatchNorm lacks: remove it and set norm to 'layer' or 'none' in the "
        "networks."
    )
}
"""Flag of the trainer that a gradient penalty does not support."""


class GradientPenalty:
    r"""Gradient penalty: where the slope of a critic is penalised, and its target.

    .. math:: \lambda \, E_{\hat x} [(\lVert \nabla f(\hat x) \rVert_p - K)^2]

    ========================  =============  =====  =========================
    penalty                   where          slope  paper
    ========================  =============  =====  =========================
    WGAN-GP                   lines          1      arXiv:1704.00028
    DRAGAN                    around_data    1      arXiv:1705.07215
    R1, gamma / 2 = lambda    data           0      arXiv:1801.04406
    ========================  =============  =====  =========================

    Args:
        weight: Lambda.
        where: On ``lines`` between real and generated samples (eq. 38-39), at the
            ``data``, or uniformly ``around_data`` (see `surroundings`).
        slope: Target K of the gradient's norm (eq. 36), in scores per unit of x.
        one_sided: Penalise only slopes above K.
        norm_order: Order p of the gradient's norm: 2, any p >= 1, or ``inf``.
        every: Apply the penalty on every k-th critic update only, with k times the
            weight (lazy regularisation, Karras et al. 2020, arXiv:1912.04958).
        rescale: Multiply the critic's learning rate by c = k / (k + 1) and raise its
            betas to the power c, as that paper's appendix B does. There the penalty is
            an update of its own, so that k updates become k + 1; here it is a part of
            every k-th, and their number stays.

    Raises:
        ValueError: If an argument is out of its range, named as the methods' argument,
            or ``rescale`` is set while every update is penalised.

    >>> import torch
    >>> penalty = GradientPenalty(slope=1.0)
    >>> x = torch.zeros(4, 3)
    >>> penalty(lambda x: 3 * x[:, 0], x, x + 1, torch.rand(4))  # (3 - 1)^2
    tensor(4.)
    """

    def __init__(
        self,
        weight: float = 10.0,
        where: Where = "lines",
        slope: float = 1.0,
        one_sided: bool = False,
        norm_order: float = 2.0,
        every: int = 1,
        rescale: bool = False,
    ) -> None:
        check_nonnegative(penalty_weight=weight, slope=slope)
        check_choice("penalty_where", where, get_args(Where))
        check_at_least(1, penalty_every=every)
        if not norm_order >= 1:
            raise ValueError(f"norm_order must be at least 1, got {norm_order}.")
        if rescale and every == 1:
            raise ValueError(
                "penalty_rescale is for a penalty on every k-th critic update: set "
                "penalty_every above 1, or remove penalty_rescale."
            )
        self.weight, self.where = weight, where
        self.every, self.rescale = every, rescale
        self.slope, self.one_sided, self.norm_order = slope, one_sided, norm_order

    def rescaled(self, factory: OptimizerCallable) -> OptimizerCallable:
        """Factory of the critic's optimizer, with ``rescale`` if that is set."""
        if not self.rescale:
            return factory
        share = self.every / (self.every + 1)
        return lambda parameters: _rescaled(factory(parameters), share)

    def due(self, update: int) -> bool:
        """Whether an update of the critic, numbered from 1, is penalised."""
        return update % self.every == 0

    def draw(self, real: Tensor, stream: RandomStream) -> Tensor:
        """What `points` needs for samples (n, ...); call it on all ranks.

        Uniform random numbers for points on lines, and the points ``around_data``
        themselves, whose distance from the samples is that of the batch of all ranks.
        """
        if self.where == "around_data":
            uniform = stream.uniform(*real.shape)
            return surroundings(real, uniform, batch=joined_rows(real.detach()))
        return stream.uniform(len(real) if self.where == "lines" else 0)

    def points(self, real: Tensor, fake: Tensor, drawn: Tensor) -> Tensor:
        """Points (n, ...) at which the slope is penalised, for samples (n, ...)."""
        if self.where == "lines":
            return interpolate(real, fake, drawn)
        return drawn if self.where == "around_data" else real.detach()

    def __call__(
        self,
        critic: Callable[[Tensor], Tensor],
        real: Tensor,
        fake: Tensor,
        drawn: Tensor,
    ) -> Tensor:
        """Unweighted penalty, a scalar."""
        with penalising(real.device):
            points = self.points(real, fake, drawn)
            return self.excess(
                gradient_norm(
                    critic, points, norm_order=self.norm_order, create_graph=True
                )
            )

    def excess(self, norms: Tensor) -> Tensor:
        """Mean squared excess of norms (n,) over the target."""
        return squared_excess(norms, slope=self.slope, one_sided=self.one_sided)

    def added_to(self, loss: Tensor, penalty: Tensor) -> Tensor:
        """The critic's loss plus the weighted penalty."""
        return loss + self.weight * self.every * penalty


def _rescaled(optimizer: Optimizer, share: float) -> Optimizer:
    for group in optimizer.param_groups:
        if "betas" not in group:
            raise ValueError(
                "penalty_rescale changes Adam's betas, which "
                f"{type(optimizer).__name__} lacks: set critic_optimizer to WGANGPAdam "
                "or another Adam, or remove penalty_rescale."
            )
        group["lr"] *= share
        group["betas"] = tuple(beta**share for beta in group["betas"])
    return optimizer


def check_penalised(critic: nn.Module) -> None:
    """Refuse a critic whose gradient at one sample depends on the others.

    Raises:
        ValueError: If the critic has BatchNorm: it mixes the samples of a batch, so
            the gradient at one sample is not the slope of one function (section 4 of
            arXiv:1704.00028).
    """
    if mixes_rows(critic):
        raise ValueError(
            "critic has BatchNorm, which mixes the samples of a batch, while the "
            "gradient penalty needs the slope at each sample alone: use norm 'layer' "
            "or 'none'."
        )
