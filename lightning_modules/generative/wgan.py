"""WGAN (Arjovsky et al. 2017, arXiv:1701.07875), eq. 33-35 and Algorithm 1."""

from typing import Any

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.alternating import Warmup
from lightning_modules.core.lightning_internals import is_normalisation
from lightning_modules.core.validation import check_positive
from lightning_modules.functional import adversarial as F
from lightning_modules.functional.lipschitz import clip_weights_
from lightning_modules.generative.base import GenerativeModule
from lightning_modules.optim.paper_defaults import WGANRMSprop


class WGAN(GenerativeModule):
    """Wasserstein GAN with weight clipping.

    Args:
        generator: Maps latents (n, latent_dim) to samples (n, ...).
        critic: Maps samples (n, ...) to scores (n,), linear at its end.
        clip: Bound c of every critic weight after each critic update.
        clip_norm_layers: Whether the scales and shifts of normalisation layers are
            clipped too, as the authors' code does.
        n_critic: Critic updates per generator update.
        warmup: Train the critic for 100 updates at each of the first 25 generator
            updates and at every 500th, as the authors' code does.
        critic_optimizer: Makes the critic's optimizer.
        generator_optimizer: Makes the generator's optimizer.
        **options: Schedules and gradient clipping of `GenerativeModule`.

    Example:
        >>> from lightning_modules.networks import MLPCritic, MLPGenerator
        >>> WGAN(MLPGenerator(2, (2,)), MLPCritic((2,))).clip
        0.01
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        clip: float = 0.01,
        clip_norm_layers: bool = True,
        n_critic: int = 5,
        warmup: bool = False,
        critic_optimizer: OptimizerCallable = lambda p: WGANRMSprop(p),
        generator_optimizer: OptimizerCallable = lambda p: WGANRMSprop(p),
        **options: Any,
    ) -> None:
        super().__init__(
            generator,
            critic,
            n_critic=n_critic,
            critic_optimizer=critic_optimizer,
            generator_optimizer=generator_optimizer,
            warmup=Warmup() if warmup else None,
            **options,
        )
        check_positive(clip=clip)
        self.clip = clip
        self.clip_norm_layers = clip_norm_layers
        self.save_hyperparameters()

    def clipped_parameters(self) -> list[nn.Parameter]:
        """The critic's weights that are clipped to [-clip, clip], without buffers."""
        return [
            parameter
            for module in self.critic.modules()
            if self.clip_norm_layers or not is_normalisation(module)
            for parameter in module.parameters(recurse=False)
        ]

    @override
    def after_critic_update(self) -> None:
        """Clip the critic's weights (Algorithm 1, line 7)."""
        clip_weights_(self.clipped_parameters(), self.clip)

    @override
    def score_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Negated dual estimate (eq. 34)."""
        loss = F.wasserstein_critic_loss(real, fake)
        if self.recording:
            self.record(wasserstein=-loss)
        return loss

    @override
    def generator_loss(self, scores: Tensor) -> Tensor:
        """Generator's part of the dual (eq. 35)."""
        return F.wasserstein_generator_loss(scores)
