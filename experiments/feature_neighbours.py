"""Cold-start items by the features of their neighbours, to compare with."""

import torch
from torch import Tensor

from datamodules.readers.features.scaling import fit_scaling
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.fitted import as_csr


def feature_cosines(features: Rows, new: Tensor) -> Tensor:
    """Cosines (m, n) between the features of m new items and of n others.

    Args:
        features: Of all items (n_items, width).
        new: The new items, bool (n_items,).

    >>> features = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    >>> feature_cosines(features, torch.tensor([False, False, True, True]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    rows = features
    if isinstance(rows, Tensor):
        rows = SparseRows.from_dense(rows)
    unit = fit_scaling("l2", rows)(rows)
    assert isinstance(unit, SparseRows)
    matrix = unit.to_csr()
    return torch.from_numpy((matrix[new.numpy()] @ matrix[~new.numpy()].T).toarray())


def neighbour_scores(
    cosines: Tensor, train: UserItems, users: Tensor, new: Tensor, k: int
) -> Tensor:
    """Scores (n, m) of m new items for users int64 (n,).

    A new item has k neighbours with a training pair; its score is the sum of their
    cosines over those that the user has.

    Args:
        cosines: See `feature_cosines`.
        train: Training pairs.
        users: Whom to rank for.
        new: The new items, bool (n_items,).
        k: Number of neighbours.

    >>> cosines = torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    >>> train = UserItems(torch.tensor([0, 1, 3]), torch.tensor([0, 0, 1]), 4)
    >>> new = torch.tensor([False, False, True, True])
    >>> neighbour_scores(cosines, train, torch.tensor([0, 1]), new, 2)
    tensor([[0.6000, 0.0000],
            [1.4000, 0.0000]])
    >>> neighbour_scores(cosines, train, torch.tensor([0, 1]), new, 1)[:, 0]
    tensor([0.0000, 0.8000])
    """
    nearest = cosines.topk(min(k, cosines.shape[1]))
    kept = torch.zeros_like(cosines).scatter_(1, nearest.indices, nearest.values)
    has = as_csr(train)[users.numpy()][:, ~new.numpy()]
    return torch.from_numpy(has @ kept.T.numpy())
