"""Mode coverage of samples, at every validation and test."""

from lightning.pytorch import Trainer
from torch import Tensor
from typing_extensions import override

from callbacks.core.requirements import require_modes
from callbacks.generative.sampling import SampleMetrics, shares
from lightning_modules.core.validation import check_at_least, check_seed
from lightning_modules.data_contracts.contracts import DrawsSamples
from lightning_modules.metrics import ModeCoverage


class ModeCoverageMonitor(SampleMetrics):
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
        check_at_least(1, n_samples=n_samples)
        check_seed(seed=seed)
        self.n_samples, self.seed = n_samples, seed
        self._metric: ModeCoverage | None = None

    @override
    def prepare(self, trainer: Trainer) -> None:
        self._metric = ModeCoverage(*require_modes(self, trainer))

    @override
    def metric_names(self) -> tuple[str, ...]:
        return ("modes", "high_quality", "reverse_kl")

    @override
    def metrics(
        self, trainer: Trainer, module: DrawsSamples, stage: str
    ) -> dict[str, Tensor]:
        assert self._metric is not None
        metric = self._metric.to(module.device)
        for samples in shares(trainer, module, self.n_samples, self.seed):
            metric.update(samples)
        values: dict[str, Tensor] = metric.compute()
        metric.reset()
        return values
