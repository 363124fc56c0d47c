"""Distances between points (docs/theory.md, metric learning).

Each function takes points ``x`` and ``y`` of shapes (..., d) that broadcast against
each other and returns (...): paired rows for equal shapes, all pairs by `pairwise`.

A *metric* satisfies four axioms: d(x, y) >= 0; d(x, y) = 0 exactly if x = y;
d(x, y) = d(y, x); d(x, z) <= d(x, y) + d(y, z). Kantorovich-Rubinstein duality (eq. 32)
needs a metric; `squared_euclidean` and `cosine_distance` are not metrics, since both
violate the triangle inequality, and cosine also does not distinguish x from 2x.
"""

from collections.abc import Callable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]


def pairwise(
    distance: Distance, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]
) -> Float[Tensor, "n m"]:
    """Matrix of distances between all rows of two sets.

    Args:
        distance: A function of this file, or any other that broadcasts like them.
        x: Points, shape (n, d).
        y: Points, shape (m, d).

    Returns:
        Matrix (n, m); memory grows with n * m * d while it is computed.

    >>> pairwise(manhattan, torch.zeros(1, 2), torch.tensor([[1.0, 2.0], [0.0, 4.0]]))
    tensor([[3., 4.]])
    """
    return distance(x[:, None], y[None])


def euclidean(x: Float[Tensor, "... d"], y: Float[Tensor, "... d"]) -> Tensor:
    r"""Euclidean distance, :math:`\sqrt{\sum_k (x_k - y_k)^2}`; a metric.

    >>> euclidean(torch.zeros(2), torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return cast(Tensor, torch.linalg.vector_norm(x - y, dim=-1))


def squared_euclidean(x: Float[Tensor, "... d"], y: Float[Tensor, "... d"]) -> Tensor:
    r"""Squared Euclidean distance, :math:`\sum_k (x_k - y_k)^2`; not a metric.

    Of the points 0, 1, 2 the distance from 0 to 2 is 4, and 1 for each half.

    >>> squared_euclidean(torch.zeros(2), torch.tensor([3.0, 4.0]))
    tensor(25.)
    """
    return (x - y).square().sum(-1)


def manhattan(x: Float[Tensor, "... d"], y: Float[Tensor, "... d"]) -> Tensor:
    r"""Manhattan distance, :math:`\sum_k |x_k - y_k|`; a metric.

    >>> manhattan(torch.zeros(2), torch.tensor([3.0, -4.0]))
    tensor(7.)
    """
    return (x - y).abs().sum(-1)


def chebyshev(x: Float[Tensor, "... d"], y: Float[Tensor, "... d"]) -> Tensor:
    r"""Chebyshev distance, :math:`\max_k |x_k - y_k|`; a metric.

    >>> chebyshev(torch.zeros(2), torch.tensor([3.0, -4.0]))
    tensor(4.)
    """
    return (x - y).abs().amax(-1)


def minkowski(
    x: Float[Tensor, "... d"], y: Float[Tensor, "... d"], p: float = 2.0
) -> Tensor:
    r"""Minkowski distance, :math:`(\sum_k |x_k - y_k|^p)^{1/p}`; a metric for p >= 1.

    p = 1 is `manhattan`, 2 `euclidean`, infinity `chebyshev`.

    Raises:
        ValueError: If p is below 1, where the triangle inequality fails.

    >>> minkowski(torch.zeros(2), torch.tensor([3.0, 4.0]), p=2.0)
    tensor(5.)
    """
    if not p >= 1:
        raise ValueError(f"p of minkowski must be at least 1, got {p}.")
    return cast(Tensor, torch.linalg.vector_norm(x - y, p, dim=-1))


def cosine_distance(x: Float[Tensor, "... d"], y: Float[Tensor, "... d"]) -> Tensor:
    r"""One minus the cosine of the angle between x and y, in [0, 2]; not a metric.

    Points at the origin have no angle; they are at distance 1 from everything.

    >>> cosine_distance(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 5.0]))
    tensor(1.)
    """
    (u, at_origin), (v, other_at_origin) = _direction(x), _direction(y)
    # Half the squared chord: 1 - cos would lose the digits of small angles.
    chord = (u - v).square().sum(-1)
    return torch.where(at_origin | other_at_origin, 1, chord / 2)


def _direction(x: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors, 0 for points at the origin, and a mask of these."""
    largest = x.abs().amax(-1, keepdim=True)
    scaled = x / largest.clamp_min(torch.finfo(x.dtype).tiny)  # squares don't vanish
    return torch.nn.functional.normalize(scaled, dim=-1), largest[..., 0] == 0


def mahalanobis(
    x: Float[Tensor, "... d"],
    y: Float[Tensor, "... d"],
    covariance: Float[Tensor, "d d"],
) -> Tensor:
    r"""Mahalanobis distance (eq. 46); a metric.

    .. math:: d_M(x, y) = \sqrt{(x - y)^\top \Sigma^{-1} (x - y)}

    Args:
        x: Points, shape (..., d).
        y: Points, shape (..., d).
        covariance: Sigma, symmetric and positive definite.

    Raises:
        ValueError: If the covariance is not positive definite: a direction without
            variance has no unit.

    >>> sigma = torch.diag(torch.tensor([4.0, 1.0]))
    >>> mahalanobis(torch.zeros(2), torch.tensor([2.0, 0.0]), sigma)
    tensor(1.)
    """
    root, failed = torch.linalg.cholesky_ex(covariance)
    if bool(failed):
        raise ValueError(
            "mahalanobis needs a positive definite covariance: use more points than "
            "coordinates, or add a small multiple of the identity."
        )
    # One factor and many right-hand sides: a batch of factors would need d^2 each.
    difference = x - y
    columns = difference.reshape(-1, difference.shape[-1]).T
    whitened = torch.linalg.solve_triangular(root, columns, upper=False)
    norms = cast(Tensor, torch.linalg.vector_norm(whitened, dim=0))
    return norms.reshape(difference.shape[:-1])


def entropy(p: Float[Tensor, "... d"]) -> Tensor:
    r"""Shannon entropy :math:`-\sum_k p_k \log p_k`, in nats.

    Not a distance, but `jensen_shannon` is computed from it.

    Args:
        p: Probabilities, shape (..., d), each row summing to 1.

    >>> entropy(torch.tensor([0.5, 0.5]))
    tensor(0.6931)
    """
    return -torch.xlogy(p, p).sum(-1)


def jensen_shannon(p: Float[Tensor, "... d"], q: Float[Tensor, "... d"]) -> Tensor:
    r"""Jensen-Shannon distance between two discrete distributions; a metric.

    .. math:: \sqrt{H(\tfrac{p + q}{2}) - \tfrac12 H(p) - \tfrac12 H(q)}

    the root of the Jensen-Shannon divergence (eq. 10), at most
    :math:`\sqrt{\log 2}`.

    Args:
        p: Probabilities, shape (..., d), each row summing to 1.
        q: Probabilities, like p.

    References:
        Endres and Schindelin 2003, "A new metric for probability distributions".

    >>> jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])) ** 2
    tensor(0.6931)
    """
    dtype = torch.promote_types(p.dtype, q.dtype)
    p, q = p.double(), q.double()  # float32 would see no difference below 3e-4
    gap = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    return gap.clamp_min(0).sqrt().to(dtype)
