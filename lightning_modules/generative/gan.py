"""GAN (Goodfellow et al. 2014, arXiv:1406.2661), eq. 1-3 of the theory page."""

from typing import Any, Literal

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.functional import adversarial as F
from lightning_modules.generative.base import GenerativeModule
from lightning_modules.optim.paper_defaults import GANAdam


class GAN(GenerativeModule):
    """The original game, on logits.

    Args:
        generator: Maps latents (n, latent_dim) to samples (n, ...).
        critic: The discriminator before its sigmoid: samples (n, ...) to logits (n,).
        loss: What the generator descends: ``non_saturating`` (-log D, eq. 3) or
            ``saturating`` (log(1 - D), eq. 2).
        n_critic: Discriminator updates per generator update.
        critic_optimizer: Makes the discriminator's optimizer.
        generator_optimizer: Makes the generator's optimizer.
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
        loss: Literal["non_saturating", "saturating"] = "non_saturating",
        n_critic: int = 1,
        critic_optimizer: OptimizerCallable = lambda p: GANAdam(p),
        generator_optimizer: OptimizerCallable = lambda p: GANAdam(p),
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
        if loss not in ("non_saturating", "saturating"):
            raise ValueError(
                f"loss must be non_saturating or saturating, got '{loss}'."
            )
        self.loss = loss
        self.save_hyperparameters()

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Cross entropy of the discriminator (eq. 1)."""
        loss = F.discriminator_loss(*self.compiled(self.score_pair)(real, fake))
        if self.recording:
            self.record(critic_loss=loss, js_estimate=F.jensen_shannon_estimate(loss))
        return loss

    def generator_loss(self, scores: Tensor) -> Tensor:
        """Eq. 3, or eq. 2 where the constructor asks for it."""
        if self.loss == "saturating":
            loss = F.saturating_generator_loss(scores)
        else:
            loss = F.non_saturating_generator_loss(scores)
        self.record(generator_loss=loss)
        return loss
