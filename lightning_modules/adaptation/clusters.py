"""Agreement of predicted classes with clusters of the target's rows."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor

from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows

COMPONENTS = 30
LARGEST = 4_000  # rows; more make the clusters no clearer
DRAWS = 50


class TargetClusters:
    """Clusters of unlabelled rows, by which classifiers of them are compared.

    The clusters are those of the samples themselves, not of what a network makes of
    them, so that no classifier is judged by its own features: one that cuts through
    the groups of the target agrees less, however sure it is. K-means on the leading
    principal components, with as many clusters as classes, twice and thrice as many.

    Args:
        x: Rows (n, ...) of the target; of more than 4,000 so many serve, evenly spaced.
        n_classes: Number of classes.
        seed: Seed of k-means.

    References:
        Musgrave, Belongie, Lim 2022, "Three new validators and a large-scale benchmark
        ranking for unsupervised domain adaptation", arXiv:2208.07360 (ClassAMI, with
        clusters of features).

    >>> import torch
    >>> rows = torch.tensor([[0.0], [0.1], [5.0], [5.1], [9.0], [9.1]])
    >>> clusters = TargetClusters(rows, n_classes=3)
    >>> right, wrong = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 1, 1, 0, 2, 2]])
    >>> clusters.agreement(right) > clusters.agreement(wrong)
    True
    """

    def __init__(self, x: Rows, n_classes: int, seed: int = 0) -> None:
        self.chosen = evenly_spaced(len(x))
        self.n = len(self.chosen)
        rows = _components(_as_matrix(x[self.chosen]), seed)
        self.groups = [
            KMeans(min(k, self.n), n_init=3, random_state=seed).fit(rows).labels_
            for k in (n_classes, 2 * n_classes, 3 * n_classes)
        ]

    def agreement(self, classes: Tensor) -> float:
        """Mean adjusted mutual information of classes (n,) and clusters.

        Returns:
            At most 1; 0 on average for classes that have nothing to do with the rows.
        """
        return self._agreement(classes, np.arange(self.n))

    def error_of_gain(self, classes: Tensor, others: Tensor) -> float:
        """Standard error of how much more some classes (n,) agree than others (n,).

        Both are compared on the same rows, drawn with replacement.
        """
        random = np.random.default_rng(0)
        gains = [
            self._agreement(classes, rows) - self._agreement(others, rows)
            for rows in random.integers(0, self.n, (DRAWS, self.n))
        ]
        return float(np.std(gains))

    def _agreement(self, classes: Tensor, rows: NDArray[np.int64]) -> float:
        found = classes.cpu()[self.chosen].numpy()[rows]
        return float(
            np.mean([adjusted_mutual_info_score(g[rows], found) for g in self.groups])
        )


def evenly_spaced(n: int) -> Tensor:
    """Numbers of at most 4,000 of n rows, in their order: files may go by class.

    >>> evenly_spaced(3)
    tensor([0, 1, 2])
    >>> evenly_spaced(12_000)[:3]
    tensor([0, 3, 6])
    """
    kept = min(n, LARGEST)
    return torch.arange(kept) * n // max(kept, 1)


def _as_matrix(x: Rows) -> "NDArray[np.float64] | csr_array":
    if not isinstance(x, SparseRows):
        return x.flatten(1).double().numpy()
    return x.to_csr().astype(np.float64)


def _components(
    rows: "NDArray[np.float64] | csr_array", seed: int
) -> NDArray[np.float64]:
    """Leading principal components (n, 30), the mean left in where rows are sparse."""
    if isinstance(rows, np.ndarray):
        rows = rows - rows.mean(0)
    if rows.shape[1] <= COMPONENTS or rows.shape[0] <= COMPONENTS:
        return rows if isinstance(rows, np.ndarray) else rows.toarray()
    reduced = TruncatedSVD(COMPONENTS, random_state=seed).fit_transform(rows)
    return np.asarray(reduced)
