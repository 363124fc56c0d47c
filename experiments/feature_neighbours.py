"""Cold-start items by the features of their neighbours, to compare with."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.fitted import as_csr


def neighbour_scores(
    features: Rows, train: UserItems, users: Tensor, new: Tensor, k: int
) -> Tensor:
    """Scores (n, m) of m new items for users int64 (n,).

    A new item has k neighbours with a training pair, by the cosine of their features;
    its score is the sum of the cosines of those that the user has.

    Args:
        features: Of all items (n_items, width).
        train: Training pairs.
        users: Whom to rank for.
        new: The new items, bool (n_items,).
        k: Number of neighbours.

    >>> features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    >>> train = UserItems(torch.tensor([0, 1, 3]), torch.tensor([0, 0, 1]), 4)
    >>> new = torch.tensor([False, False, True, True])
    >>> neighbour_scores(features, train, torch.tensor([0, 1]), new, 2)
    tensor([[0.6000, 0.0000],
            [1.4000, 0.0000]])
    >>> neighbour_scores(features, train, torch.tensor([0, 1]), new, 1)[:, 0]
    tensor([0.0000, 0.8000])
    """
    unit = _unit_rows(features)
    known = ~new
    alike = torch.from_numpy((unit[new.numpy()] @ unit[known.numpy()].T).toarray())
    nearest = alike.topk(min(k, alike.shape[1]))
    kept = torch.zeros_like(alike).scatter_(1, nearest.indices, nearest.values)
    has = as_csr(train)[users.numpy()][:, known.numpy()]
    return torch.from_numpy(has @ kept.T.numpy())


def _unit_rows(features: Rows) -> sparse.csr_array:
    """Rows of length 1; a row of zeros stays."""
    if isinstance(features, Tensor):
        features = SparseRows.from_dense(features)
    parts = (features.values, features.columns, features.starts)
    rows = sparse.csr_array(tuple(map(np.asarray, parts)), shape=features.shape)
    lengths = sparse.linalg.norm(rows, axis=1)
    scale = sparse.diags_array(1 / (lengths + (lengths == 0)))
    return sparse.csr_array(scale @ rows)
