"""Embarrassingly shallow autoencoders (Steck 2019, arXiv:1905.03375)."""

from collections.abc import Mapping
from typing import Any

import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from typing_extensions import override

from lightning_modules.core.validation import check_positive
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.fitted import FittedRanker, as_csr


class EASE(FittedRanker):
    r"""EASE: a linear item-item model without self-similarity.

    .. math:: \min_B \lVert X - X B \rVert_F^2 + \lambda \lVert B \rVert_F^2, \quad
              B_{jj} = 0; \qquad
              B_{ij} = -P_{ij} / P_{jj}, \quad P = (X^\top X + \lambda I)^{-1}

    Memory is 4 n^2 bytes for n items. Time is 2 n^3 operations, or where there are
    fewer users than items 2 m^3 for m users, and m + n for each interaction.

    Args:
        l2: Lambda.
        **options: Cut-offs and chunks of `FittedRanker`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> EASE(l2=100.0).l2
        100.0
    """

    weights: Tensor

    def __init__(self, l2: float = 500.0, **options: Any) -> None:
        super().__init__(**options)
        check_positive(l2=l2)
        self.save_hyperparameters()
        self.l2 = l2

    @override
    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """B (n_items, n_items)."""
        x = as_csr(train)
        weights = self._by_users(x) if x.shape[0] < x.shape[1] else self._by_items(x)
        weights.fill_diagonal_(0)
        return {"weights": weights}

    def _by_items(self, x: csr_matrix) -> Tensor:
        """B from P, except for its diagonal."""
        weights = _inverse(x.T @ x, self.l2)
        return weights.div_(-weights.diagonal().clone())

    def _by_users(self, x: csr_matrix) -> Tensor:
        """B by users: P = (I - M) / lambda with M = X^T (X X^T + lambda I)^-1 X."""
        half = (x.T @ _inverse(x @ x.T, self.l2).numpy()).T
        weights = torch.from_numpy(x.T @ half)
        return weights.div_(1 - weights.diagonal())

    @override
    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Rows of X B (n, m)."""
        return rows @ self.weights[:, part]

    @override
    def likeness(self, items: Tensor) -> Tensor:
        """What an item adds to the scores of the others, where that is above 0."""
        weights = self.weights[items]
        return weights.masked_fill(weights <= 0, -torch.inf)


def _inverse(gram: csr_matrix, l2: float) -> Tensor:
    """(G + lambda I)^-1."""
    dense = torch.from_numpy(gram.toarray())
    dense.diagonal().add_(l2)
    factor = torch.linalg.cholesky(dense)
    del dense
    return torch.cholesky_inverse(factor)
