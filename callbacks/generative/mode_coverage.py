"""Mode coverage of samples, at every validation and test."""

import lightning.pytorch as pl

from callbacks.core.scalars import at_least_one, generative
from callbacks.generative.sampling import shares
from lightning_modules.metrics import ModeCoverage


class ModeCoverageMonitor(pl.Callback):
    """Logs the columns of the PacGAN and VEEGAN tables for a known mixture.

    * ``val/modes``: modes that at least one sample reaches;
    * ``val/high_quality``: share of samples within 3 standard deviations of a mode;
    * ``val/reverse_kl``: divergence (nats) of those samples' histogram over the modes
      from the uniform one.

    Under ``test/`` likewise. Works on data with ``modes`` and ``mode_std``, such as
    ``PointClouds``. The samples come from fixed seeds, so that training is the same
    with and without it.

    Args:
        n_samples: Samples in all, over all processes; the published tables use 2,500.
        seed: Key of the latents.

    Raises:
        ValueError: If the data has no known modes, or the module draws no samples.
    """

    def __init__(self, n_samples: int = 2500, seed: int = 0) -> None:
        self.n_samples = at_least_one("n_samples", n_samples)
        self.seed = seed
        self._metric: ModeCoverage | None = None

    def setup(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str
    ) -> None:
        """Take the modes from the data."""
        if stage == "predict":
            return
        generative(self, pl_module)
        data = getattr(trainer, "datamodule", None)
        modes, std = getattr(data, "modes", None), getattr(data, "mode_std", 0.0)
        if modes is None:
            raise ValueError(
                f"ModeCoverageMonitor needs data with known modes, but "
                f"{type(data).__name__} has none: remove it from trainer.callbacks."
            )
        self._metric = ModeCoverage(modes, std)

    def _measure(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str
    ) -> None:
        if trainer.sanity_checking:
            return
        module = generative(self, pl_module)
        assert self._metric is not None
        metric = self._metric.to(module.device)
        for samples in shares(trainer, module, self.n_samples, self.seed):
            metric.update(samples)
        values = metric.compute()
        metric.reset()
        module.log_evaluation({f"{stage}/{name}": v for name, v in values.items()})

    def on_validation_epoch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Log under ``val/``."""
        self._measure(trainer, pl_module, "val")

    def on_test_epoch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Log under ``test/``."""
        self._measure(trainer, pl_module, "test")
