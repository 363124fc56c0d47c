"""The critic's estimate of W1 in units of its own slope, while it trains."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from callbacks.scalars import at_least_one, due, generative, log_scalars
from lightning_modules.base import evaluating
from lightning_modules.functional.slope import PlanEstimate, estimate_on_plan
from lightning_modules.generative import GenerativeModule, samples_of
from lightning_modules.noise import Noise

POOL = 10_000  # training samples held for drawing from, as floats


class CriticSlope(pl.Callback):
    """Compares the critic's estimate with the exact distance, now and then.

    It takes n training samples and n generated ones, pairs them by an exact
    assignment, and logs

    * ``train/critic_slope``: mean gradient norm of the critic on random points of the
      lines between partners, which is 1 for a critic that attains W1;
    * ``train/wasserstein_raw``: mean f(real) - mean f(fake) on these samples;
    * ``train/wasserstein_per_slope``: the raw estimate divided by that slope, in
      units of the data;
    * ``train/wasserstein_exact``: exact W1 between the two samples. Between n points
      of high dimension it lies well above W1 of the distributions, and does not go
      to 0 when they agree.

    The training samples are drawn anew at each step from the first 10,000 of the
    datamodule's ``real``; without such a datamodule they are those of the step's batch.
    Its random numbers are its own and follow from the step alone, so training is the
    same with and without it, and a resumed run logs what the uninterrupted one would
    have logged.

    Args:
        every_n_steps: Player updates between two measurements.
        n: Samples on each side, or as many as there are; the assignment takes a few
            milliseconds for 256 and about a second for 2,000.
        seed: Seed of the latents and of the points on the lines.

    Raises:
        ValueError: If a count is below 1, or the module has no generator.
    """

    def __init__(self, every_n_steps: int = 500, n: int = 256, seed: int = 0) -> None:
        self.every_n_steps = at_least_one("every_n_steps", every_n_steps)
        self.n = at_least_one("n", n)
        self.seed = seed
        self._data: Tensor | None = None

    def setup(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,
        stage: str,  # noqa: ARG002
    ) -> None:
        """Refuse a module that has nothing to measure."""
        self._data = None
        generative(self, pl_module)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Measure when a player update that is due has just been made."""
        if due(trainer, pl_module, self.every_n_steps) and trainer.is_global_zero:
            module, step = generative(self, pl_module), trainer.global_step
            real = self._real(trainer, samples_of(batch).detach(), step)
            estimate = self.measure(module, real, step)
            log_scalars(
                trainer,
                {
                    "train/critic_slope": estimate.slope,
                    "train/wasserstein_raw": estimate.raw,
                    "train/wasserstein_per_slope": estimate.per_slope,
                    "train/wasserstein_exact": estimate.exact,
                },
            )

    def _real(self, trainer: pl.Trainer, batch: Tensor, step: int) -> Tensor:
        """Real samples for a step, on the device of the batch."""
        read = getattr(getattr(trainer, "datamodule", None), "real", None)
        if read is None:
            return batch[: self.n]
        if self._data is None:
            self._data = read("train", POOL)
        noise = Noise(self.seed, step, "critic_slope_rows")
        rows = torch.randperm(len(self._data), generator=noise.generator)[: self.n]
        return self._data[rows].to(batch.device)

    def measure(
        self, pl_module: GenerativeModule, real: Tensor, step: int
    ) -> PlanEstimate:
        """Measure against real samples; the same step draws the same numbers."""
        noise = Noise(self.seed, step, "critic_slope", real.device)
        latent_seed = int(noise.uniform(1).item() * 2**24)
        fake = pl_module.sample(len(real), seed=latent_seed)
        with evaluating(pl_module.critic):
            epsilon = noise.uniform(len(real))
            return estimate_on_plan(pl_module.critic, real, fake, epsilon)
