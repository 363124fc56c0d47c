"""Mode coverage as a metric over batches and processes."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_modules.functional.modes import high_quality_counts, mode_statistics


class ModeCoverage(Metric):
    """Modes captured, share of high-quality samples, reverse KL to uniform.

    See `lightning_modules.functional.modes.mode_coverage` for the definitions. The
    published tables use 2,500 samples; the reverse KL depends on their number.

    Args:
        modes: Centres of the mixture, shape (k, d).
        std: Standard deviation of one component, in the same units.
        n_std: Radius of a high-quality sample, in standard deviations.
        kwargs: See torchmetrics.Metric.

    Raises:
        ValueError: If ``modes`` is not a matrix or a radius is not positive.

    >>> modes = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> metric = ModeCoverage(modes, std=0.01)
    >>> metric.update(modes[[0, 0, 1]] + torch.tensor([[0.0], [0.01], [0.5]]))
    >>> {name: round(float(value), 3) for name, value in metric.compute().items()}
    {'modes': 1.0, 'high_quality': 0.667, 'reverse_kl': 0.693}
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update: bool = False

    modes: Tensor
    counts: Tensor
    total: Tensor

    def __init__(
        self, modes: Tensor, std: float, n_std: float = 3.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if modes.ndim != 2 or len(modes) == 0:
            raise ValueError(f"modes must have shape (k, d), got {tuple(modes.shape)}.")
        if not (std > 0 and n_std > 0):
            raise ValueError(f"std and n_std must be positive, got {std} and {n_std}.")
        self.std, self.n_std = std, n_std
        self.register_buffer("modes", modes.detach().clone(), persistent=False)
        self.add_state("counts", torch.zeros(len(modes)).long(), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, x: Tensor) -> None:
        """Add generated points of shape (n, d)."""
        self.counts += high_quality_counts(x.detach(), self.modes, self.std, self.n_std)
        self.total += len(x)

    def compute(self) -> dict[str, Tensor]:
        """``modes`` (count), ``high_quality`` (share) and ``reverse_kl`` (nats)."""
        if self.total == 0:
            raise ValueError("ModeCoverage has seen no samples: call update first.")
        statistics = mode_statistics(self.counts, self.total)._asdict()
        return {name: value.float() for name, value in statistics.items()}
