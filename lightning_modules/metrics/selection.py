"""Model-selection scores on unlabelled rows, over batches and processes."""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightning_modules.core.validation import check_at_least, check_positive
from lightning_modules.functional.selection import (
    entropies,
    mutual_information,
    nuclear_norm,
    probabilities,
    soft_neighbourhood_density,
)
from lightning_modules.metrics.thinning import row_keys, thin


class _Sums(Metric):
    """A score computed from sums over all rows and their number.

    With several processes each calls ``update`` at least once, with 0 rows where it
    has none, because the first update sets the shapes of the sums.
    """

    is_differentiable = False
    full_state_update: bool = False

    total: Tensor

    def __init__(self, *names: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = names
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")
        for name in names:
            zero = torch.zeros((), dtype=torch.float64)
            self.add_state(name, zero, dist_reduce_fx="sum")

    @abstractmethod
    def _terms(self, p: Tensor) -> tuple[Tensor, ...]:
        """Contributions of rows of probabilities (n, k) to the sums."""

    @abstractmethod
    def _score(self, *sums: Tensor) -> Tensor:
        """The score from the sums; ``self.total`` is the number of rows."""

    def update(self, logits: Tensor) -> None:
        """Add rows of logits (n, k).

        Raises:
            ValueError: If the shape is not (n, k), or a logit is NaN or infinite.
        """
        logits = _checked(logits)
        p = probabilities(logits) if len(logits) else logits.double()
        for name, term in zip(self.names, self._terms(p), strict=True):
            setattr(self, name, getattr(self, name) + term)
        self.total += len(p)

    def compute(self) -> Tensor:
        """The score, a float32 scalar."""
        if self.total == 0:
            raise _no_rows(self)
        return self._score(*(getattr(self, name) for name in self.names)).float()


class TargetEntropy(_Sums):
    """Mean entropy of the predictions in nats; see `target_entropy`.

    Args:
        kwargs: See torchmetrics.Metric.

    >>> metric = TargetEntropy()
    >>> metric.update(torch.zeros(5, 2))
    >>> metric.compute().exp()
    tensor(2.)
    """

    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("entropy_sum", **kwargs)

    def _terms(self, p: Tensor) -> tuple[Tensor, ...]:
        return (entropies(p).sum(),)

    def _score(self, *sums: Tensor) -> Tensor:
        return sums[0] / self.total


class InformationMaximisation(_Sums):
    """Mutual information of row and class in nats; see `information_maximisation`.

    Args:
        kwargs: See torchmetrics.Metric.

    >>> metric = InformationMaximisation()
    >>> metric.update(100 * torch.eye(2))
    >>> metric.compute().exp()
    tensor(2.)
    """

    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sums", "entropy_sum", **kwargs)

    def _terms(self, p: Tensor) -> tuple[Tensor, ...]:
        return p.sum(0), entropies(p).sum()

    def _score(self, *sums: Tensor) -> Tensor:
        sums_of_classes, entropy_sum = sums
        return mutual_information(sums_of_classes, entropy_sum, self.total)


class PredictedShares(_Sums):
    """Mean probabilities (k,) of all rows: how frequent each class seems to be.

    Args:
        kwargs: See torchmetrics.Metric.

    >>> metric = PredictedShares()
    >>> metric.update(torch.zeros(5, 2))
    >>> metric.compute()
    tensor([0.5000, 0.5000])
    """

    higher_is_better = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sums", **kwargs)

    def _terms(self, p: Tensor) -> tuple[Tensor, ...]:
        return (p.sum(0),)

    def _score(self, *sums: Tensor) -> Tensor:
        return sums[0] / self.total


class BatchNuclearNorm(_Sums):
    """Nuclear norm of all predictions per row; see `batch_nuclear_norm`.

    Its state is a matrix (k, k), whatever the number of rows.

    Args:
        kwargs: See torchmetrics.Metric.

    >>> metric = BatchNuclearNorm()
    >>> for row in 100 * torch.eye(2):
    ...     metric.update(row[None])
    >>> metric.compute()
    tensor(1.)
    """

    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("gram", **kwargs)

    def _terms(self, p: Tensor) -> tuple[Tensor, ...]:
        return (p.T @ p,)

    def _score(self, *sums: Tensor) -> Tensor:
        return nuclear_norm(sums[0], self.total)


class SoftNeighbourhoodDensity(Metric):
    """Density of the predictions' neighbourhoods; see `soft_neighbourhood_density`.

    Of more than ``max_samples`` rows a fixed subset is used (see `thinning`), the same
    on one process and on many.

    Args:
        temperature: tau; 0.05 in the paper.
        max_samples: Rows kept; None keeps all. Time grows with its square: 10,000
            rows take a second or two on a processor.
        kwargs: See torchmetrics.Metric.

    Raises:
        ValueError: If ``max_samples`` is below 2 or the temperature not positive.

    >>> metric = SoftNeighbourhoodDensity()
    >>> metric.update(torch.zeros(4, 2))
    >>> metric.compute().exp()
    tensor(3.)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update: bool = True
    """`row_keys` counts equal rows over all updates."""

    logits: list[Tensor]
    keys: list[Tensor]
    seen: list[Tensor]

    def __init__(
        self,
        temperature: float = 0.05,
        max_samples: int | None = 10_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_positive(temperature=temperature)
        check_at_least(2, max_samples=max_samples)
        self.temperature, self.max_samples = temperature, max_samples
        for state in ("logits", "keys", "seen"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def update(self, logits: Tensor) -> None:
        """Add rows of logits (n, k).

        Raises:
            ValueError: If the shape is not (n, k), or a logit is NaN or infinite.
        """
        rows = _checked(logits)
        if len(rows):
            probabilities(rows)  # refuses NaN and infinity
        logits, keys = thin(
            torch.cat([*self.logits, rows]),
            torch.cat([*self.keys, row_keys(rows, self.seen)]),
            self.max_samples,
        )
        self.logits[:], self.keys[:] = [logits], [keys]

    def compute(self) -> Tensor:
        """The density in nats, a float32 scalar."""
        if len(self.logits) == 0:
            raise _no_rows(self)
        rows, _ = thin(
            dim_zero_cat(self.logits), dim_zero_cat(self.keys), self.max_samples
        )
        return soft_neighbourhood_density(rows, self.temperature).float()


def _checked(logits: Tensor) -> Tensor:
    if logits.ndim != 2:
        raise ValueError(f"Logits must have shape (n, k), got {tuple(logits.shape)}.")
    return logits.detach().float()


def _no_rows(metric: Metric) -> ValueError:
    name = type(metric).__name__
    return ValueError(f"{name} has seen no rows: call update first.")
