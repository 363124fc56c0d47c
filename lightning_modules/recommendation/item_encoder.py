"""Item encoder: a network from item features to points."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.networks.extractor import MLPExtractor

CHUNK = 8192  # items encoded at a time


class ItemEncoder(nn.Module):
    """The network f of eq. 54: item features (n, width) to points (n, dim).

    Args:
        width: Number of features, dense or sparse.
        dim: Dimension of a point.
        hidden: Widths of the hidden layers, at least one.
        dropout: Share of each hidden layer that training sets to 0.

    Raises:
        ValueError: If the data has no features, or an argument is out of its range.

    >>> ItemEncoder(30, 4, (16,), 0.5)(torch.zeros(2, 30)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self, width: int, dim: int, hidden: Sequence[int], dropout: float
    ) -> None:
        if not width:
            raise ValueError(
                "model.feature_weight is above 0, but the data has no item features: "
                "set data.features, or set model.feature_weight to 0."
            )
        super().__init__()
        self.inner = MLPExtractor((width,), tuple(hidden), dropout=dropout)
        self.last = nn.Linear(hidden[-1], dim)
        # Rows of tags or words are wide and sparse: weights that preserve norms.
        nn.init.normal_(self.inner.first.weight, std=hidden[0] ** -0.5)

    def forward(self, features: Rows) -> Tensor:
        """Points (n, dim) of features (n, width)."""
        return cast(Tensor, self.last(self.inner(features)))

    @torch.no_grad()
    def every(self, features: Rows) -> Tensor:
        """Points (n, dim) of many items, without dropout."""
        training = self.training
        self.eval()
        slices = (slice(i, i + CHUNK) for i in range(0, len(features), CHUNK))
        points = torch.cat([self(features[part]) for part in slices])
        self.train(training)
        return points
