"""From noise to samples: what GAN, WGAN and WGAN-GP share."""

from typing import Any, ClassVar, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchmetrics import Metric

from lightning_modules.core.alternating import CriticModule, Warmup, evaluating
from lightning_modules.core.random import RandomStream
from lightning_modules.generative.shapes import check_shapes
from lightning_modules.metrics import SlicedWassersteinDistance, WassersteinDistance

_CHUNK = 1024  # samples generated at a time


class GenerativeModule(CriticModule):
    """A generator that learns to make samples which a critic can't tell from data.

    A batch is ``x`` or ``(x, y)`` with ``x`` of shape (n, ...); labels are not used.
    Each batch gives one critic update, every ``n_critic``-th a generator update.
    Subclasses define `critic_loss` and `generator_loss`.

    Args:
        generator: Maps latents (n, latent_dim) to samples (n, ...); it has an
            attribute ``latent_dim``.
        critic: Maps samples (n, ...) to scores (n,).
        n_critic: Critic updates per generator update.
        critic_optimizer: Makes the critic's optimizer.
        generator_optimizer: Makes the generator's optimizer.
        critic_scheduler: Learning-rate schedule of the critic, stepped once per
            generator update, or None.
        generator_scheduler: Learning-rate schedule of the generator, or None.
        critic_clip_norm: Largest gradient norm of a critic update, or None.
        generator_clip_norm: Largest gradient norm of a generator update, or None.
        warmup: Longer critic training at certain generator updates, or None.
        compile: Have torch compile what the objectives are made of.
    """

    monitor: ClassVar[str] = "val/sliced_wasserstein"
    player_name: ClassVar[str] = "generator"
    player_key: ClassVar[str] = "generator_"

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        *,
        n_critic: int,
        critic_optimizer: OptimizerCallable,
        generator_optimizer: OptimizerCallable,
        critic_scheduler: LRSchedulerCallable | None = None,
        generator_scheduler: LRSchedulerCallable | None = None,
        critic_clip_norm: float | None = None,
        generator_clip_norm: float | None = None,
        warmup: Warmup | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__(
            critic_steps=1,
            player_every=n_critic,
            critic_optimizer=critic_optimizer,
            player_optimizer=generator_optimizer,
            critic_scheduler=critic_scheduler,
            player_scheduler=generator_scheduler,
            critic_clip_norm=critic_clip_norm,
            player_clip_norm=generator_clip_norm,
            warmup=warmup,
            compile=compile,
        )
        if not isinstance(getattr(generator, "latent_dim", None), int):
            raise ValueError(
                f"generator {type(generator).__name__} needs an integer attribute "
                "latent_dim, the width of the noise that it maps to samples."
            )
        self.generator = generator
        self.critic = critic
        self.latent_dim = cast(int, generator.latent_dim)
        self._critic_mixes = any(isinstance(m, _BatchNorm) for m in critic.modules())
        self._distances: dict[str, Metric] = {
            "sliced_wasserstein": SlicedWassersteinDistance(),
            "wasserstein": WassersteinDistance(),
        }

    # What a method defines ----------------------------------------------------------

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the critic descends; ``fake`` carries no graph."""
        raise NotImplementedError

    def generator_loss(self, scores: Tensor) -> Tensor:
        """What the generator descends: of the frozen critic's scores of its samples."""
        raise NotImplementedError

    # The game -----------------------------------------------------------------------

    def forward(self, latent: Tensor) -> Tensor:
        """Map latents (n, latent_dim) to samples (n, ...)."""
        return cast(Tensor, self.generator(latent))

    def critic_objective(self, batch: Any) -> Tensor:
        """Loss of the critic against fresh samples, drawn without gradients."""
        real = samples_of(batch)
        with torch.no_grad():
            fake = self.compiled(self.forward)(self._latents(len(real)))
        return self.critic_loss(real, fake)

    def player_objective(self, batch: Any) -> Tensor:
        """Loss of the generator on as many fresh samples as the batch has."""
        latents = self._latents(len(samples_of(batch)))
        return self.generator_loss(self.compiled(self._judged)(latents))

    def _latents(self, n: int) -> Tensor:
        return self.noise.normal(n, self.latent_dim)

    def _judged(self, latents: Tensor) -> Tensor:
        return cast(Tensor, self.critic(self(latents)))

    def score_pair(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of real and fake, in one call of the critic where that is the same."""
        if self._critic_mixes or real.shape != fake.shape:
            return self.critic(real), self.critic(fake)
        scores = self.critic(torch.cat([real, fake.to(real.dtype)]))
        return scores[: len(real)], scores[len(real) :]

    # Samples ------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Draw n samples in eval mode; the same seed gives the same samples.

        Neither torch's global random state nor the training noise is touched.

        Args:
            n: Number of samples.
            seed: Key of the latents.

        Returns:
            Samples (n, ...) on the module's device, images in [-1, 1].
        """
        noise = RandomStream(seed, 0, "sample", self.device)
        latents = noise.normal(n, self.latent_dim)
        with evaluating(self.generator):
            return torch.cat([self(part) for part in torch.split(latents, _CHUNK)])

    def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:
        """Data and as many fresh samples (n, ...)."""
        real = samples_of(batch).detach()
        return real, self.sample(len(real), seed)

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Samples with the given numbers: sample i is the same in every batching.

        Args:
            batch: Sample numbers, int64 of shape (n,).
            batch_idx: Not used.

        Returns:
            Samples (n, ...).
        """
        seed = torch.initial_seed()
        rows = [
            RandomStream(seed, int(i), "predict").normal(self.latent_dim) for i in batch
        ]
        return cast(Tensor, self(torch.stack(rows).to(self.device)))

    # Evaluation ---------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Check the networks against the data before anything is written."""
        super().on_fit_start()
        data = getattr(self.trainer, "datamodule", None)
        if data is not None:
            self.check_data(data)

    def check_data(self, data: Any) -> None:
        """Refuse two domains, and networks that do not fit the data's shape."""
        if hasattr(data, "domain_names"):
            raise ValueError(
                f"{type(self).__name__} learns one data set, and {type(data).__name__} "
                "has two domains: set data to one such as Digits, or model to WDGRL."
            )
        if hasattr(data, "shape"):
            self.check_shape(data.shape)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse networks that do not fit samples of this shape (ValueError)."""
        made = self.sample(2)
        with evaluating(self.critic):
            check_shapes(made, self.critic, shape)

    def _start_evaluation(self) -> None:
        seed, rank = torch.initial_seed(), self.global_rank
        self._evaluation_noise = RandomStream(seed, rank, "evaluation", self.device)
        for metric in self._distances.values():
            metric.to(self.device).reset()

    def _evaluate(self, batch: Any) -> None:
        real = samples_of(batch)
        fake = self(self._evaluation_noise.normal(len(real), self.latent_dim))
        for metric in self._distances.values():
            metric.update(real, real=True)
            metric.update(fake, real=False)

    def _finish_evaluation(self, stage: str) -> None:
        values = {f"{stage}/{k}": m.compute() for k, m in self._distances.items()}
        self.log_evaluation(values)
        for metric in self._distances.values():
            metric.reset()

    def on_validation_epoch_start(self) -> None:
        """Validation samples come from the same latents every time."""
        self._start_evaluation()

    def on_test_epoch_start(self) -> None:
        """Like `on_validation_epoch_start`."""
        self._start_evaluation()

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Collect as many samples as the batch has data."""
        self._evaluate(batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Like `validation_step`."""
        self._evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Log exact and sliced Wasserstein distance to the data."""
        self._finish_evaluation("val")

    def on_test_epoch_end(self) -> None:
        """Like `on_validation_epoch_end`."""
        self._finish_evaluation("test")


def samples_of(batch: Any) -> Tensor:
    """The samples of a batch ``x`` or ``(x, y)``."""
    return cast(Tensor, batch if isinstance(batch, Tensor) else batch[0])
