"""WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028), eq. 36-40."""

from collections.abc import Mapping
from typing import Any, ClassVar

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.penalty import NO_SYNC_BATCHNORM, GradientPenalty, Where
from lightning_modules.functional import adversarial as F
from lightning_modules.generative.base import GenerativeModule
from lightning_modules.optim.paper_defaults import WGANGPAdam


class WGANGP(GenerativeModule):
    """Wasserstein GAN with gradient penalty.

    Args:
        generator: Maps latents (n, latent_dim) to samples (n, ...).
        critic: Maps samples (n, ...) to scores (n,), without BatchNorm.
        penalty_weight: Lambda of eq. 40. Far above the data's W1 a two-sided penalty
            can lock the critic in at a negative estimate (docs/theory.md).
        one_sided: Penalise only slopes above ``slope``.
        slope: Target K of the gradient's norm (eq. 36), in scores per unit of x.
        norm_order: Order p of the gradient's norm: 2, any p >= 1, or ``inf``.
        penalty_every: Apply the penalty on every k-th critic update only, with k times
            the weight (lazy regularisation, Karras et al. 2020, arXiv:1912.04958).
        penalty_rescale: Rescale the critic's Adam to that, see `GradientPenalty`.
        n_critic: Critic updates per generator update.
        critic_optimizer: Makes the critic's optimizer.
        generator_optimizer: Makes the generator's optimizer.
        penalty_where: Points at which the slope is penalised, see `GradientPenalty`.
        **options: Schedules and gradient clipping of `GenerativeModule`.

    Raises:
        ValueError: If the critic has BatchNorm: it mixes the samples of a batch, so
            the gradient at one sample is not the slope of one function (section 4 of
            the paper). Also for a setting out of its range.

    Example:
        >>> from lightning_modules.networks import MLPCritic, MLPGenerator
        >>> WGANGP(MLPGenerator(2, (2,)), MLPCritic((2,))).penalty.weight
        10.0
    """

    refused_trainer_flags: ClassVar[Mapping[str, str]] = {
        **GenerativeModule.refused_trainer_flags,
        **NO_SYNC_BATCHNORM,
    }

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        penalty_weight: float = 10.0,
        one_sided: bool = False,
        slope: float = 1.0,
        norm_order: float = 2.0,
        penalty_every: int = 1,
        n_critic: int = 5,
        critic_optimizer: OptimizerCallable = lambda p: WGANGPAdam(p),
        generator_optimizer: OptimizerCallable = lambda p: WGANGPAdam(p),
        penalty_where: Where = "lines",
        penalty_rescale: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(
            generator,
            critic,
            n_critic=n_critic,
            critic_optimizer=critic_optimizer,
            generator_optimizer=generator_optimizer,
            **options,
        )
        kind = penalty_where, slope, one_sided, norm_order
        lazy = penalty_every, penalty_rescale
        self.penalise(GradientPenalty(penalty_weight, *kind, *lazy))
        self.save_hyperparameters()

    @override
    def score_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Negated dual estimate, to which the penalty is added (eq. 40)."""
        gap = F.wasserstein_critic_loss(real, fake)
        if self.recording:
            self.record(wasserstein=-gap)
        return gap

    @override
    def generator_loss(self, scores: Tensor) -> Tensor:
        """Generator's part of the dual (eq. 35)."""
        return F.wasserstein_generator_loss(scores)
