"""Whether the nearest rows of known classes tell the class of a new one."""

from typing import Any, Literal

import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

NeighbourDistance = Literal["euclidean", "manhattan", "chebyshev", "cosine"]


class NearestNeighbourAccuracy(Metric):
    """Share of rows whose class is that of most of their k nearest reference rows.

    Ties are won by the smaller class number, as scikit-learn has it.

    Args:
        k: Number of neighbours.
        distance: ``euclidean``, ``manhattan``, ``chebyshev`` or ``cosine``.
        kwargs: See torchmetrics.Metric.

    Raises:
        ValueError: If k is below 1, or, in ``compute``, larger than the reference.

    >>> metric, x = NearestNeighbourAccuracy(k=1), torch.tensor([[0.0], [5.0]])
    >>> metric.update(x, torch.tensor([0, 1]), reference=True)
    >>> metric.update(x + 1, torch.tensor([0, 0]), reference=False)
    >>> metric.compute()
    tensor(0.5000)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update: bool = False

    def __init__(
        self, k: int = 3, distance: NeighbourDistance = "euclidean", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}.")
        self.k, self.distance = k, distance
        for name in ("known_points", "known_labels", "points", "labels"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, points: Tensor, labels: Tensor, *, reference: bool) -> None:
        """Add rows.

        Args:
            points: Shape (n, d).
            labels: Class of each, int64 (n,).
            reference: Whether they are neighbours or asked about.
        """
        prefix = "known_" if reference else ""
        getattr(self, f"{prefix}points").append(points.detach().float())
        getattr(self, f"{prefix}labels").append(labels)

    def compute(self) -> Tensor:
        """The share, a float32 scalar; NaN if a point is not finite."""
        found = [
            dim_zero_cat(getattr(self, name))
            for name in ("known_points", "known_labels", "points", "labels")
        ]
        device = found[0].device
        if not all(part.isfinite().all() for part in found):
            return torch.tensor(float("nan"), device=device)
        known, classes, points, labels = (part.cpu().numpy() for part in found)
        if self.k > len(known):
            raise ValueError(
                f"k is {self.k}, but there are {len(known)} reference rows: set it to "
                f"at most {len(known)}."
            )
        judge = KNeighborsClassifier(self.k, metric=self.distance).fit(known, classes)
        share = float((judge.predict(points) == labels).mean())
        return torch.tensor(share, device=device)
