"""The critic's estimate of W1 in units of its own slope, while it trains."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from callbacks.scalars import at_least_one, due, generative, log_scalars
from lightning_modules.functional.slope import PlanEstimate, estimate_on_plan
from lightning_modules.generative import GenerativeModule, samples_of
from lightning_modules.noise import Noise


class CriticSlope(pl.Callback):
    """Compares the critic's estimate with the exact distance, now and then.

    It takes the latest n training samples and n generated ones, pairs them by an
    exact assignment, and logs

    * ``train/critic_slope``: mean gradient norm of the critic on random points of the
      lines between partners, which is 1 for a critic that attains W1;
    * ``train/wasserstein_raw``: mean f(real) - mean f(fake) on these samples;
    * ``train/wasserstein_per_slope``: the raw estimate divided by that slope, in
      units of the data;
    * ``train/wasserstein_exact``: exact W1 between the two samples. Between n points
      of high dimension it lies well above W1 of the distributions, and does not go
      to 0 when they agree.

    Its random numbers are its own, so training is the same with and without it.

    Args:
        every_n_steps: Player updates between two measurements.
        n: Samples on each side; the assignment takes a few milliseconds for 256 and
            about a second for 2,000.
        seed: Seed of the latents and of the points on the lines.

    Raises:
        ValueError: If a count is below 1, or the module has no generator.
    """

    def __init__(self, every_n_steps: int = 500, n: int = 256, seed: int = 0) -> None:
        self.every_n_steps = at_least_one("every_n_steps", every_n_steps)
        self.n = at_least_one("n", n)
        self.seed = seed
        self._recent: deque[Tensor] = deque()

    def setup(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,
        stage: str,  # noqa: ARG002
    ) -> None:
        """Refuse a module that has nothing to measure."""
        generative(self, pl_module)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Keep the batch; measure when a player update that is due has been made."""
        self._keep(samples_of(batch))
        if due(trainer, pl_module, self.every_n_steps) and trainer.is_global_zero:
            estimate = self.measure(generative(self, pl_module), trainer.global_step)
            log_scalars(
                trainer,
                {
                    "train/critic_slope": estimate.slope,
                    "train/wasserstein_raw": estimate.raw,
                    "train/wasserstein_per_slope": estimate.per_slope,
                    "train/wasserstein_exact": estimate.exact,
                },
            )

    def _keep(self, real: Tensor) -> None:
        # References to the batches that training has just used: no copy, no reading.
        self._recent.append(real.detach())
        while sum(map(len, self._recent)) - len(self._recent[0]) >= self.n:
            self._recent.popleft()

    def measure(self, pl_module: GenerativeModule, step: int) -> PlanEstimate:
        """Measure on the latest batches; the same step draws the same numbers."""
        real = torch.cat(list(self._recent))[-self.n :]
        noise = Noise(self.seed, step, "critic_slope", real.device)
        latent_seed = int(noise.uniform(1).item() * 2**24)
        fake = pl_module.sample(len(real), seed=latent_seed)
        with evaluating(pl_module.critic) as critic:
            return estimate_on_plan(critic, real, fake, noise.uniform(len(real)))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[nn.Module]:
    """Put a network into eval mode and leave every layer as it was."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield network
    finally:
        for module, mode in modes.items():
            module.training = mode
