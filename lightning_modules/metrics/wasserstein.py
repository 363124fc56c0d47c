"""Wasserstein distances as metrics over batches and processes."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightning_modules.core.validation import check_at_least
from lightning_modules.functional.closed_forms import (
    random_directions,
    sliced_wasserstein_distance,
)
from lightning_modules.functional.transport import refuse_diverged, wasserstein_distance
from lightning_modules.metrics.thinning import row_keys, thin


class TwoSampleMetric(Metric):
    """Base of metrics on real and generated samples, ``max_samples`` rows of each."""

    is_differentiable = False
    higher_is_better = False
    full_state_update: bool = False
    plot_lower_bound = 0.0

    real: list[Tensor]
    fake: list[Tensor]
    real_keys: list[Tensor]
    fake_keys: list[Tensor]
    real_seen: list[Tensor]
    fake_seen: list[Tensor]

    def __init__(self, max_samples: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_at_least(1, max_samples=max_samples)
        self.max_samples = max_samples
        for side in ("real", "fake"):
            for state in (side, f"{side}_keys", f"{side}_seen"):
                self.add_state(state, [], dist_reduce_fx="cat")

    def update(self, x: Tensor, real: bool) -> None:
        """Add samples.

        Args:
            x: Shape (n, ...); all axes but the first are one point, (n,) are numbers.
            real: True for data, False for generated samples, as in torchmetrics' FID.

        Raises:
            ValueError: If earlier points had another size, or a coordinate is NaN or
                infinite.
        """
        rows = x.detach()[:, None].flatten(1).float()
        for earlier in (*self.real, *self.fake):
            if earlier.shape[1] != rows.shape[1]:
                raise ValueError(
                    f"Samples have {rows.shape[1]} coordinates, earlier ones had "
                    f"{earlier.shape[1]}: real and fake must have the same shape."
                )
        refuse_diverged(rows)
        samples, keys, seen = self._states(real)
        thinned = thin(
            torch.cat([*samples, rows]),
            torch.cat([*keys, row_keys(rows, seen)]),
            self.max_samples,
        )
        samples[:], keys[:] = ([part] for part in thinned)

    def _states(self, real: bool) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        if real:
            return self.real, self.real_keys, self.real_seen
        return self.fake, self.fake_keys, self.fake_seen

    def _sets(self) -> tuple[Tensor, Tensor]:
        if len(self.real) == 0 or len(self.fake) == 0:
            raise ValueError(
                f"{type(self).__name__} needs real and fake samples: call update with "
                "real=True and with real=False before compute."
            )
        states = (self._states(side)[:2] for side in (True, False))
        pairs = ((dim_zero_cat(rows), dim_zero_cat(keys)) for rows, keys in states)
        real, fake = (thin(*pair, self.max_samples)[0] for pair in pairs)
        return real, fake


class WassersteinDistance(TwoSampleMetric):
    """Exact Wasserstein-1 distance between real and generated samples.

    In the units of the samples, Euclidean ground distance. Of more than
    ``max_samples`` rows on a side a fixed subset is used (see `thinning`), the same on
    one process and on many. Never 0 between two finite sets of one distribution:
    compare with the distance between two halves of the data.

    Args:
        max_samples: Rows kept on each side; None keeps all. Time grows about with
            its square: 2,000 images take two seconds.
        kwargs: See torchmetrics.Metric.

    >>> metric = WassersteinDistance()
    >>> x = torch.zeros(3, 1, 2, 2)
    >>> metric.update(x, real=True)
    >>> metric.update(x + 1, real=False)
    >>> metric.compute()
    tensor(2.)
    """

    def __init__(self, max_samples: int | None = 2000, **kwargs: Any) -> None:
        super().__init__(max_samples, **kwargs)

    def compute(self) -> Tensor:
        """The distance, a float32 scalar."""
        return wasserstein_distance(*self._sets()).float()


class SlicedWassersteinDistance(TwoSampleMetric):
    """Sliced Wasserstein-1 distance between real and generated samples.

    The mean over fixed random directions of the exact distance on a line; at most the
    exact distance, and far cheaper. In the units of the samples.

    Args:
        n_directions: Directions on the unit sphere.
        max_samples: Rows kept on each side (see `thinning`); None keeps all.
        seed: Seed of the directions, which are the same at every compute.
        kwargs: See torchmetrics.Metric.

    >>> metric = SlicedWassersteinDistance()
    >>> x = torch.zeros(3, 1)
    >>> metric.update(x, real=True)
    >>> metric.update(x + 1, real=False)
    >>> metric.compute()
    tensor(1.)
    """

    def __init__(
        self,
        n_directions: int = 128,
        max_samples: int | None = 10_000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(max_samples, **kwargs)
        check_at_least(1, n_directions=n_directions)
        self.n_directions = n_directions
        self.seed = seed

    def compute(self) -> Tensor:
        """The distance, a float32 scalar."""
        real, fake = self._sets()
        generator = torch.Generator().manual_seed(self.seed)
        directions = random_directions(self.n_directions, real.shape[1], generator)
        directions = directions.to(real.device)
        with torch.autocast(real.device.type, enabled=False):
            return sliced_wasserstein_distance(real, fake, directions)
