"""WGAN-GP (Gulrajani et al. 2017, arXiv:1704.00028), eq. 36-40."""

from typing import Any

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_modules.core.validation import check_at_least, check_nonnegative
from lightning_modules.functional import adversarial as F
from lightning_modules.functional.lipschitz import gradient_penalty
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
        penalty_every: Take the penalty on every k-th critic update only, with k times
            the weight (lazy regularisation, Karras et al. 2020, arXiv:1912.04958).
        n_critic: Critic updates per generator update.
        critic_optimizer: Makes the critic's optimizer.
        generator_optimizer: Makes the generator's optimizer.
        **options: Schedules and gradient clipping of `GenerativeModule`.

    Raises:
        ValueError: If the critic has BatchNorm: it mixes the samples of a batch, so
            the gradient at one sample is not the slope of one function (section 4 of
            the paper). Also for a setting out of its range.

    Example:
        >>> from lightning_modules.networks import MLPCritic, MLPGenerator
        >>> WGANGP(MLPGenerator(2, (2,)), MLPCritic((2,))).penalty_weight
        10.0
    """

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
        if any(isinstance(module, _BatchNorm) for module in critic.modules()):
            raise ValueError(
                "critic has BatchNorm, which mixes the samples of a batch, while the "
                "gradient penalty needs the slope at each sample alone: use norm "
                "'layer' or 'none'."
            )
        check_nonnegative(penalty_weight=penalty_weight, slope=slope)
        if not norm_order >= 1:
            raise ValueError(f"norm_order must be at least 1, got {norm_order}.")
        check_at_least(1, penalty_every=penalty_every)
        self.penalty_weight = penalty_weight
        self.penalty_every = penalty_every
        self.one_sided = one_sided
        self.slope = slope
        self.norm_order = norm_order
        self.save_hyperparameters()

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Negated dual estimate plus penalty (eq. 40)."""
        if (self.critic_updates + 1) % self.penalty_every:
            gap = F.wasserstein_critic_loss(*self.compiled(self.score_pair)(real, fake))
            if self.recording:
                self.record(wasserstein=-gap)
            return gap
        epsilon = self.noise.uniform(len(real))
        gap, penalty = self.compiled(self._terms)(real, fake, epsilon)
        loss = gap + self.penalty_weight * self.penalty_every * penalty
        if self.recording:
            self.record(critic_loss=loss, wasserstein=-gap, penalty=penalty)
        return loss

    def _terms(
        self, real: Tensor, fake: Tensor, epsilon: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Negated dual estimate, and the penalty without its weight."""
        penalty = gradient_penalty(
            self.critic,
            real,
            fake,
            epsilon,
            slope=self.slope,
            one_sided=self.one_sided,
            norm_order=self.norm_order,
        )
        return F.wasserstein_critic_loss(*self.score_pair(real, fake)), penalty

    def generator_loss(self, scores: Tensor) -> Tensor:
        """The generator's part of the dual (eq. 35)."""
        loss = F.wasserstein_generator_loss(scores)
        self.record(generator_loss=loss)
        return loss
