"""Baselines of the ``implicit`` package: item neighbours, ALS and BPR."""

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import pad, softplus
from typing_extensions import override

from lightning_modules.core.random import RandomStream
from lightning_modules.core.validation import (
    check_at_least,
    check_nonnegative,
    check_positive,
)
from lightning_modules.data_contracts.sparse_rows import SparseRows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.fitted import FittedRanker, as_csr
from lightning_modules.recommendation.fold_in import (
    cosines,
    descended_rows,
    ridge_rows,
)
from lightning_modules.recommendation.pairwise import PairBatch

CANDIDATES = 100  # that a step of a fold-in compares all users with


def _implicit(name: str) -> Any:
    """A module of the ``implicit`` package.

    Raises:
        ImportError: If the package is missing.
    """
    try:
        return importlib.import_module(f"implicit.{name}")
    except ImportError as error:
        raise ImportError(
            "This method needs the package implicit: run pip install "
            "'wasserstein-critics[baselines]'."
        ) from error


class ItemKNN(FittedRanker):
    """Item-based nearest neighbours by cosine similarity.

    Sarwar et al. 2001, doi:10.1145/371920.372071, through ``implicit``.

    Args:
        k: Number of neighbours of each seen item.
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

    def __init__(self, k: int = 100, **options: Any) -> None:
        super().__init__(**options)
        check_at_least(1, k=k)
        self.save_hyperparameters()
        self.k = k

    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        """Similarities of items, in compressed rows."""
        model = _implicit("nearest_neighbours").CosineRecommender(
            K=self.k + 1, num_threads=1
        )  # an item is its own nearest neighbour
        with warnings.catch_warnings():
            # implicit 0.7 passes itself a matrix in another format than it expects
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

    @override
    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        """Sums of similarities to the items at which rows have ones (n, m)."""
        user, item = rows.nonzero(as_tuple=True)
        near = self._near(item)
        user = user.repeat_interleave(near.starts.diff())
        score = self.values.new_zeros(rows.shape)
        score.index_put_((user, near.columns), near.values, accumulate=True)
        return score[:, part]

    def _near(self, items: Tensor) -> SparseRows:
        """Similarities of items int64 (n,) to their neighbours."""
        n_items = self.evaluator.n_items
        return SparseRows(self.starts, self.columns, self.values, n_items)[items]

    @override
    def likeness(self, items: Tensor) -> Tensor:
        """Similarities to neighbours, (n, n_items)."""
        near = self._near(items).to_dense()
        return near.masked_fill(near <= 0, -torch.inf)


def _factors(name: str, train: UserItems, **options: Any) -> dict[str, Tensor]:
    """Factors of users and items (n, d), fitted by a class of the package.

    implicit has threads of its own, which are 10 times slower beside those of BLAS.
    """
    module, _, cls = name.rpartition(".")
    with threadpool_limits(1, "blas"):
        seed = torch.initial_seed() % 2**32
        model = vars(_implicit(module))[cls](random_state=seed, **options)
        model.fit(as_csr(train), show_progress=False)
    both = {"user_factors": model.user_factors, "item_factors": model.item_factors}
    return {key: torch.from_numpy(value) for key, value in both.items()}


class WRMF(FittedRanker):
    r"""Weighted matrix factorisation by alternating least squares.

    .. math:: \min \sum_{ij} c_{ij} (x_{ij} - \langle u_i, v_j \rangle)^2
              + \lambda (\lVert U \rVert_F^2 + \lVert V \rVert_F^2), \qquad
              c_{ij} = \alpha \text{ where } x_{ij} = 1, \text{ else } 1

    Hu, Koren, Volinsky 2008, doi:10.1109/ICDM.2008.22, through ``implicit``.

    Args:
        dim: Dimension of a vector of factors.
        l2: Lambda.
        alpha: Confidence in an interaction; that of all other pairs is 1.
        sweeps: Number of alternations between users and items.
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

    @override
    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        return _factors(
            "cpu.als.AlternatingLeastSquares",
            train,
            factors=self.dim,
            regularization=self.l2,
            alpha=self.alpha,
            iterations=self.sweeps,
        )

    @override
    def scores(self, users: Tensor, part: slice) -> Tensor:
        return self.scores_of(self.user_factors[users], part)

    @override
    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        return rows @ self.item_factors[part].T

    @override
    def fold_in(self, history: UserItems) -> Tensor:
        """Factors (n, d) in closed form, see `ridge_rows`."""
        return ridge_rows(history, self.item_factors, self.l2, self.alpha)

    @override
    def likeness(self, items: Tensor) -> Tensor:
        """Cosines of factors, (n, n_items)."""
        return cosines(self.item_factors[items], self.item_factors)


class ImplicitBPR(FittedRanker):
    """The package's own `BPR`, by plain stochastic gradient descent on one thread.

    Its last factor is the item's bias.

    Args:
        dim: Dimension of a vector of factors.
        lr: Step size.
        l2: Weight of the squared factors.
        epochs: Passes over all interactions.
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

    @override
    def solve(self, train: UserItems) -> Mapping[str, Tensor]:
        return _factors(
            "cpu.bpr.BayesianPersonalizedRanking",
            train,
            factors=self.dim,
            learning_rate=self.lr,
            regularization=self.l2,
            iterations=self.epochs,
            num_threads=1,
        )

    @override
    def scores(self, users: Tensor, part: slice) -> Tensor:
        return self.scores_of(self.user_factors[users], part)

    @override
    def scores_of(self, rows: Tensor, part: slice) -> Tensor:
        return rows @ self.item_factors[part].T

    @override
    def fold_in(self, history: UserItems) -> Tensor:
        """Factors (n, d + 1) by the loss with items fixed; the last is 1."""
        items = self.item_factors

        def draw(noise: RandomStream) -> Tensor:
            return noise.integers(len(items), 1, CANDIDATES)

        def loss(rows: Tensor, pairs: PairBatch) -> Tensor:
            user = _with_one(rows[:, :-1])
            far = user @ items[pairs.candidates[0]].T
            near = (user[pairs.users] * items[pairs.items]).sum(1, keepdim=True)
            gap = far[pairs.users] - near
            decay = self.l2 / 2 * rows[pairs.users, :-1].square().sum(1).mean()
            return (softplus(gap) * pairs.allowed).mean() + decay

        return _with_one(descended_rows(history, items, draw, loss)[:, :-1])

    @override
    def likeness(self, items: Tensor) -> Tensor:
        """Cosines of factors without the bias, (n, n_items)."""
        factors = self.item_factors[:, :-1]
        return cosines(factors[items], factors)


def _with_one(rows: Tensor) -> Tensor:
    return pad(rows, (0, 1), value=1.0)
