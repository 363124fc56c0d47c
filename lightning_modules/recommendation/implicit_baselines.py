"""Neighbours, alternating least squares and BPR of the ``implicit`` package."""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from lightning_modules.core.validation import (
    check_at_least,
    check_nonnegative,
    check_positive,
)
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.fitted import FittedRanker, as_csr


def _implicit(name: str) -> Any:
    """A module of the package.

    Raises:
        ImportError: The package is missing; says how to install it.
    """
    try:
        return importlib.import_module(f"implicit.{name}")
    except ImportError as error:
        raise ImportError(
            "This method needs the package implicit: pip install "
            "'wasserstein-critics[baselines]'."
        ) from error


class ItemKNN(FittedRanker):
    """Items near the seen ones: cosine similarity, k neighbours of each seen item.

    Sarwar et al. 2001, doi:10.1145/371920.372071, through ``implicit``.

    Args:
        k: Nearest items of a seen item that get its similarity.
        **options: Cut-offs and chunks of `FittedRanker`.

    Raises:
        ImportError: At fit, without the package.
        ValueError: If an argument is out of its range.

    Example:
        >>> ItemKNN(k=50).k
        50
    """

    starts: Tensor
    columns: Tensor
    values: Tensor

    def __init__(
        self,
        k: int = 100,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(1, k=k)
        self.save_hyperparameters()
        self.k = k

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """Similarities of items, as compressed rows."""
        model = _implicit("nearest_neighbours").CosineRecommender(
            K=self.k + 1, num_threads=1
        )  # an item is its own nearest neighbour
        with warnings.catch_warnings():
            # implicit 0.7 hands itself a matrix in another form than it asks for
            warnings.filterwarnings("ignore", "Method expects CSR input")
            model.fit(as_csr(train), show_progress=False)
        similar = model.similarity.tocsr()
        similar.setdiag(0)
        similar.sort_indices()
        return {
            "starts": torch.from_numpy(similar.indptr).long(),
            "columns": torch.from_numpy(similar.indices).long(),
            "values": torch.from_numpy(similar.data).float(),
        }

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Sums over the seen items of their similarities to others (n, m)."""
        seen = self.evaluator.interactions("train").of(users)
        n_items = self.evaluator.n_items
        similar = SparseRows(self.starts, self.columns, self.values, n_items)
        near = similar[seen.items]
        rows = seen.rows.repeat_interleave(near.starts.diff())
        score = self.values.new_zeros(len(users), n_items)
        score.index_put_((rows, near.columns), near.values, accumulate=True)
        return score[:, part]


def _tables(fit: Callable[[UserItems], Any], train: UserItems) -> dict[str, Tensor]:
    """Factors of users and of items that a model of the package ends with."""
    # implicit shares work among threads of its own: 10 times slower beside BLAS's
    with threadpool_limits(1, "blas"):
        model = fit(train)
    return {
        "user_factors": torch.from_numpy(model.user_factors),
        "item_factors": torch.from_numpy(model.item_factors),
    }


class WRMF(FittedRanker):
    r"""Weighted matrix factorisation by alternating least squares.

    .. math:: \min \sum_{ij} c_{ij} (x_{ij} - \langle u_i, v_j \rangle)^2
              + \lambda (\lVert U \rVert_F^2 + \lVert V \rVert_F^2), \qquad
              c_{ij} = \alpha \text{ where } x_{ij} = 1, \text{ else } 1

    Hu, Koren, Volinsky 2008, doi:10.1109/ICDM.2008.22, through ``implicit``.

    Args:
        dim: Coordinates of a factor.
        l2: Lambda.
        alpha: Confidence in a pair; that of all others is 1.
        sweeps: Times that users and items are solved for.
        **options: Cut-offs and chunks of `FittedRanker`.

    Raises:
        ImportError: At fit, without the package.
        ValueError: If an argument is out of its range.

    Example:
        >>> WRMF(alpha=10.0).alpha
        10.0
    """

    user_factors: Tensor
    item_factors: Tensor

    def __init__(
        self,
        dim: int = 64,
        l2: float = 0.01,
        alpha: float = 10.0,
        sweeps: int = 15,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(1, dim=dim, sweeps=sweeps)
        check_nonnegative(l2=l2)
        check_positive(alpha=alpha)
        self.save_hyperparameters()
        self.dim, self.l2, self.alpha, self.sweeps = dim, l2, alpha, sweeps

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """Both tables of factors."""
        return _tables(self._fitted, train)

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Products of factors (n, m)."""
        return self.user_factors[users] @ self.item_factors[part].T

    def _fitted(self, train: UserItems) -> Any:
        model = _implicit("cpu.als").AlternatingLeastSquares(
            factors=self.dim,
            regularization=self.l2,
            alpha=self.alpha,
            iterations=self.sweeps,
            random_state=torch.initial_seed() % 2**32,
        )
        model.fit(as_csr(train), show_progress=False)
        return model


class ImplicitBPR(FittedRanker):
    """The package's own `BPR`, by plain stochastic gradient descent on one thread.

    Its last factor is the item's bias.

    Args:
        dim: Coordinates of a factor.
        lr: Step size.
        l2: Weight of the squared factors.
        epochs: Times that all pairs are gone through.
        **options: Cut-offs and chunks of `FittedRanker`.

    Raises:
        ImportError: At fit, without the package.
        ValueError: If an argument is out of its range.

    Example:
        >>> ImplicitBPR(epochs=10).epochs
        10
    """

    user_factors: Tensor
    item_factors: Tensor

    def __init__(
        self,
        dim: int = 64,
        lr: float = 0.05,
        l2: float = 0.01,
        epochs: int = 100,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_at_least(1, dim=dim, epochs=epochs)
        check_positive(lr=lr)
        check_nonnegative(l2=l2)
        self.save_hyperparameters()
        self.dim, self.lr, self.l2, self.epochs = dim, lr, l2, epochs

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """Both tables of factors."""
        return _tables(self._fitted, train)

    def scores(self, users: Tensor, part: slice) -> Tensor:
        """Products of factors (n, m)."""
        return self.user_factors[users] @ self.item_factors[part].T

    def _fitted(self, train: UserItems) -> Any:
        model = _implicit("cpu.bpr").BayesianPersonalizedRanking(
            factors=self.dim,
            learning_rate=self.lr,
            regularization=self.l2,
            iterations=self.epochs,
            random_state=torch.initial_seed() % 2**32,
            num_threads=1,
        )
        model.fit(as_csr(train), show_progress=False)
        return model
