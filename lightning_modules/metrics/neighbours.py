"""Accuracy of k-nearest-neighbour classification."""

from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightning_modules.core.validation import check_at_least

NeighbourDistance = Literal["euclidean", "manhattan", "chebyshev", "cosine"]
_STATES = ("reference_points", "reference_labels", "points", "labels")


class NearestNeighbourAccuracy(Metric):
    """Accuracy of the majority class of the k nearest reference rows.

    Ties go to the smaller class number, as in scikit-learn.

    Args:
        k: Number of neighbours.
        distance: ``euclidean``, ``manhattan``, ``chebyshev`` or ``cosine``.
        kwargs: See torchmetrics.Metric.

    Raises:
        ValueError: If k is below 1 or, in ``compute``, above the number of reference
            rows.

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
        check_at_least(1, k=k)
        self.k, self.distance = k, distance
        for name in _STATES:
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, points: Tensor, labels: Tensor, *, reference: bool) -> None:
        """Add rows.

        Args:
            points: Shape (n, d).
            labels: Class of each, int64 (n,).
            reference: Whether they are reference rows or queries.
        """
        prefix = "reference_" if reference else ""
        getattr(self, f"{prefix}points").append(points.detach().float())
        getattr(self, f"{prefix}labels").append(labels)

    def compute(self) -> Tensor:
        """The share, a float32 scalar; NaN if a point is not finite."""
        states = [dim_zero_cat(getattr(self, name)) for name in _STATES]
        device = states[0].device
        if not all(state.isfinite().all() for state in states):
            return torch.tensor(float("nan"), device=device)
        reference, classes, points, labels = (x.cpu().numpy() for x in states)
        if self.k > len(reference):
            raise ValueError(
                f"k is {self.k}, but there are {len(reference)} reference rows: set it "
                f"to at most {len(reference)}."
            )
        from sklearn.neighbors import KNeighborsClassifier  # for this metric alone

        classifier = KNeighborsClassifier(self.k, metric=self.distance)
        predicted = classifier.fit(reference, classes).predict(points)
        return torch.tensor(float((predicted == labels).mean()), device=device)
