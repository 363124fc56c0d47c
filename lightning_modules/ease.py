"""Embarrassingly shallow autoencoders (Steck 2019, arXiv:1905.03375)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lightning_modules.fitted_ranker import FittedRanker, as_csr
from lightning_modules.ranges import above_zero
from lightning_modules.user_items import UserItems


class EASE(FittedRanker):
    r"""The linear map from items taken to items taken that may not use the item itself.

    .. math:: \min_B \lVert X - X B \rVert_F^2 + \lambda \lVert B \rVert_F^2, \quad
              B_{jj} = 0; \qquad
              B_{ij} = -P_{ij} / P_{jj}, \quad P = (X^\top X + \lambda I)^{-1}

    The matrix of all pairs of items is solved and kept: 4 n^2 bytes, and 2 n^3
    operations, for n items.

    Args:
        l2: Lambda.
        ks: Cut-offs of the measures.
        item_chunk: Items ranked at a time; None ranks all at once.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> EASE(l2=100.0).l2
        100.0
    """

    weights: Tensor

    def __init__(
        self,
        l2: float = 500.0,
        ks: Sequence[int] = (10, 20, 50),
        item_chunk: int | None = None,
    ) -> None:
        super().__init__(ks, item_chunk)
        above_zero(l2=l2)
        self.save_hyperparameters()
        self.l2 = l2

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """B (n_items, n_items)."""
        x = as_csr(train)
        gram = torch.from_numpy((x.T @ x).toarray())
        gram.diagonal().add_(self.l2)
        factor = torch.linalg.cholesky(gram)
        del gram
        weights = torch.cholesky_inverse(factor)
        weights.div_(-weights.diagonal().clone())
        weights.fill_diagonal_(0)
        return {"weights": weights}

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Rows of X B (n, m)."""
        taken = self.known("train").of(users)
        rows = torch.zeros(len(users), self.n_items, device=users.device)
        rows[taken.rows, taken.items] = 1
        return rows @ self.weights[:, part]
