"""Base of GAN, WGAN and WGAN-GP."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn
from typing_extensions import override

from lightning_modules.core.alternating import Warmup, evaluating, trainable
from lightning_modules.core.lightning_internals import mixes_rows
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.optimisation import Learner, OptimizerSpec, check_specs
from lightning_modules.core.penalty import GradientPenalty, check_penalised
from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.batches import numbers_of, samples_of
from lightning_modules.data_contracts.contracts import (
    HasLatents,
    SampleShape,
)
from lightning_modules.generative.evaluation import GenerativeEvaluator
from lightning_modules.generative.shapes import check_range, check_shapes

CHUNK = 1024  # samples generated at once


class GenerativeModule(AlternatingModule):
    """Alternating training of a generator and a critic.

    A batch is ``x`` or ``(x, y)`` with ``x`` of shape (n, ...); labels are not used.
    Each batch gives one critic update, every ``n_critic``-th a generator update.
    Subclasses define `score_loss` and `generator_loss`, and call `penalise` in their
    constructor where the critic has a gradient penalty.

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
        compile: Compile the functions of the objectives with torch.compile.

    Raises:
        ValueError: If an argument is out of its range, or the generator has no
            ``latent_dim``.
    """

    monitor: ClassVar[str] = "val/sliced_wasserstein"
    averaged_name: ClassVar[str | None] = "generator"
    follows: ClassVar[Mapping[str, str]] = {
        "generator.shape": "data.shape",
        "critic.shape": "data.shape",
    }
    sides: ClassVar[tuple[str, str]] = ("real", "generated")
    """Names of the two sets that the critic compares."""

    evaluator: GenerativeEvaluator

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
            GenerativeEvaluator(),
            batches_per_step=n_critic,
            warmup=warmup,
            compile=compile,
        )
        if not isinstance(generator, HasLatents):
            raise ValueError(
                f"generator {type(generator).__name__} needs an integer attribute "
                "latent_dim, the dimension of the latents that it maps to samples."
            )
        self.generator, self.critic = generator, critic
        self.penalty: GradientPenalty | None = None
        self.latent_dim = generator.latent_dim
        factories = critic_optimizer, critic_scheduler, critic_clip_norm
        self.critic_spec = OptimizerSpec("critic_", trainable(critic), *factories)
        factories = generator_optimizer, generator_scheduler, generator_clip_norm
        self.generator_spec = OptimizerSpec(
            "generator_", trainable(generator), *factories
        )
        check_specs([self.critic_spec, self.generator_spec])
        self._critic_mixes = mixes_rows(critic)

    def penalise(self, penalty: GradientPenalty) -> None:
        """Give the critic a gradient penalty, for `critic_loss`.

        Raises:
            ValueError: If the critic has BatchNorm.
        """
        check_penalised(self.critic)
        self.penalty = penalty
        optimizer = penalty.rescaled(self.critic_spec.optimizer)
        self.critic_spec = self.critic_spec._replace(optimizer=optimizer)

    # What a method defines ----------------------------------------------------------

    def score_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the critic descends besides its penalty, of its scores (n,) of both."""
        raise NotImplementedError

    def generator_loss(self, scores: Tensor) -> Tensor:
        """Loss of the generator, from the frozen critic's scores of its samples."""
        raise NotImplementedError

    def after_critic_update(self) -> None:
        """Hook after each critic update, for weight clipping."""

    def latents(self, n: int, stream: RandomStream, batch: Any = None) -> Any:
        """Latents of n samples; all samples of a run are generated from these.

        A conditional generator overrides only this method: it may return a tuple or a
        dict of tensors (n, ...), which is passed to the generator unchanged.

        Args:
            n: Number of samples.
            stream: Source of random numbers.
            batch: The training or validation batch that the samples are compared with;
                None where there is none.
        """
        del batch  # for generators with a condition
        return stream.normal(n, self.latent_dim).to(self.dtype)

    # Alternating optimisation -------------------------------------------------------

    @override
    def learners(self) -> list[Learner]:
        """The critic on every batch, then the generator against the frozen critic."""
        return [
            Learner(
                "critic",
                self.critic_objective,
                [self.critic_spec],
                after_update=self.after_critic_update,
            ),
            Learner(
                "generator",
                self.generator_objective,
                [self.generator_spec],
                waits=True,
                counts=True,
                against=[self.critic],
            ),
        ]

    @override
    def forward(self, latent: Any) -> Tensor:
        """Map latents (n, latent_dim) to samples (n, ...)."""
        return cast(Tensor, self.generator(latent))

    def critic_objective(self, batch: Any) -> Tensor:
        """Loss of the critic on a batch and fresh samples without gradients."""
        real = samples_of(batch)
        if self.begins and self.trainer.is_global_zero:
            check_range(real, self.generator)
        with torch.no_grad():
            latents = self.latents(len(real), self.noise, batch)
            fake = self.compiled(self.forward)(latents)
        return self.critic_loss(real, fake)

    def generator_objective(self, batch: Any) -> Tensor:
        """Loss of the generator on as many fresh samples as the batch has."""
        latents = self.latents(len(samples_of(batch)), self.noise, batch)
        loss = self.generator_loss(self.compiled(self._fake_scores)(latents))
        self.record(generator_loss=loss)
        return loss

    def _fake_scores(self, latents: Any) -> Tensor:
        return cast(Tensor, self.critic(self(latents)))

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of samples (n, ...), penalty included; ``fake`` carries no graph."""
        *scores, penalty = self.penalised_scores(real, fake)
        loss = self.score_loss(*scores)
        if self.penalty is not None:
            if penalty is None:  # logging it would mix two different losses
                return loss
            loss = self.penalty.added_to(loss, penalty)
            self.record(penalty=penalty)
        self.record(critic_loss=loss)
        return loss

    def penalised_scores(
        self, real: Tensor, fake: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores (n,) of both sets, and the unweighted penalty, or None if not due."""
        penalty, update = self.penalty, self.turns.updates["critic"] + 1
        if penalty is None or not penalty.due(update):
            return *self.compiled(self.score_pair)(real, fake), None
        drawn = penalty.draw(real, self.noise)
        return self.compiled(self._scores_and_penalty)(real, fake, drawn)

    def _scores_and_penalty(
        self, real: Tensor, fake: Tensor, drawn: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert self.penalty is not None
        penalty = self.penalty(self.critic, real, fake, drawn)
        return *self.score_pair(real, fake), penalty

    def score_pair(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of real and fake, in one call of the critic where equivalent."""
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
        latents = self.latents(n, RandomStream(seed, 0, "sample", self.device))
        with evaluating(self.generator):
            return torch.cat(
                [self(_rows(latents, i)) for i in range(0, max(n, 1), CHUNK)]
            )

    @override
    def transport_samples(self, batch: Any, seed: int) -> tuple[Tensor, Tensor]:
        """Data and as many fresh samples (n, ...), whose distance the critic estimates.

        Args:
            batch: A batch of the data module.
            seed: Key of the latents.
        """
        real = samples_of(batch).detach()
        return real, self.sample(len(real), seed)

    @override
    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Samples with the given numbers; sample i is the same for every batch size.

        Args:
            batch: Sample numbers, int64 of shape (n,).
            batch_idx: Not used.

        Returns:
            Samples (n, ...).

        Raises:
            ValueError: The batch is another.
        """
        seed = torch.initial_seed()
        numbers = numbers_of(batch, "sample numbers")
        streams = [RandomStream(seed, number, "predict") for number in numbers]
        latents = _joined([self.latents(1, stream) for stream in streams])
        on_device = apply_to_collection(latents, Tensor, lambda t: t.to(self.device))
        return cast(Tensor, self(on_device))

    @override
    def check_data(self, data: Any) -> None:
        super().check_data(data)
        if isinstance(data, SampleShape):
            self.check_shape(data.shape)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse networks that do not fit samples of this shape (ValueError)."""
        samples = self.sample(2)
        with evaluating(self.critic):
            check_shapes(samples, self.critic, shape)


def _rows(latents: Any, start: int) -> Any:
    return apply_to_collection(latents, Tensor, lambda t: t[start : start + CHUNK])


def _joined(parts: list[Any]) -> Any:
    """Latents of single samples as those of one batch."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(parts)
    if isinstance(first, dict):
        return {key: _joined([part[key] for part in parts]) for key in first}
    return tuple(_joined(list(same)) for same in zip(*parts, strict=True))
