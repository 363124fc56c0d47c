"""GAN (Goodfellow et al. 2014, arXiv:1406.2661), eq. 1-3 of docs/theory.md."""

from typing import Any, Literal, get_args

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.penalty import GradientPenalty, Where
from lightning_modules.core.validation import check_choice
from lightning_modules.functional import adversarial as F
from lightning_modules.generative.base import GenerativeModule
from lightning_modules.optim.paper_defaults import GANAdam

Loss = Literal["non_saturating", "saturating"]


class GAN(GenerativeModule):
    """The original generative adversarial network, on logits.

    Args:
        generator: Maps latents (n, latent_dim) to samples (n, ...).
        critic: The discriminator before its sigmoid: samples (n, ...) to logits (n,).
        loss: Loss of the generator: ``non_saturating`` (-log D, eq. 3) or
            ``saturating`` (log(1 - D), eq. 2).
        n_critic: Discriminator updates per generator update.
        critic_optimizer: Makes the discriminator's optimizer.
        generator_optimizer: Makes the generator's optimizer.
        penalty_weight: Weight of a gradient penalty of the logits, 0 for none; the
            default kind is R1 (arXiv:1801.04406), with half its gamma as weight.
        penalty_where: Points at which the slope is penalised, see `GradientPenalty`.
        slope: Target of the gradient's norm.
        penalty_every: Apply it on every k-th discriminator update only.
        penalty_rescale: Rescale the discriminator's Adam to that, see
            `GradientPenalty`.
        **options: Schedules and gradient clipping of `GenerativeModule`.

    Example:
        >>> from lightning_modules.networks import MLPCritic, MLPGenerator
        >>> GAN(MLPGenerator(2, (2,)), MLPCritic((2,))).sample(16).shape
        torch.Size([16, 2])
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        loss: Loss = "non_saturating",
        n_critic: int = 1,
        critic_optimizer: OptimizerCallable = lambda p: GANAdam(p),
        generator_optimizer: OptimizerCallable = lambda p: GANAdam(p),
        penalty_weight: float = 0.0,
        penalty_where: Where = "data",
        slope: float = 0.0,
        penalty_every: int = 1,
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
        penalty = GradientPenalty(
            penalty_weight,
            penalty_where,
            slope,
            every=penalty_every,
            rescale=penalty_rescale,
        )
        if penalty_weight:
            self.penalise(penalty)
        check_choice("loss", loss, get_args(Loss))
        self.loss = loss
        self.save_hyperparameters()

    @override
    def score_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Cross entropy of the discriminator (eq. 1)."""
        loss = F.discriminator_loss(real, fake)
        if self.recording:
            self.record(js_estimate=F.jensen_shannon_estimate(loss))
        return loss

    @override
    def generator_loss(self, scores: Tensor) -> Tensor:
        """Non-saturating (eq. 3) or saturating (eq. 2) loss."""
        if self.loss == "saturating":
            return F.saturating_generator_loss(scores)
        return F.non_saturating_generator_loss(scores)
