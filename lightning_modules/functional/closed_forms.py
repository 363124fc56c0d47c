"""Closed-form Wasserstein distances: on a line, sliced, between Gaussians."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from .transport import pot, refuse_diverged, refuse_empty, refuse_order, weights


def wasserstein_1d(
    x: Float[Tensor, " n"],
    y: Float[Tensor, " m"],
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
    *,
    p: float = 1.0,
) -> Float[Tensor, ""]:
    r"""Wasserstein-p distance of two weighted point sets on a line.

    .. math:: W_p^p = \int_0^1 \lvert F^{-1}(u) - G^{-1}(u) \rvert^p \, du

    since on a line the optimal plan matches quantiles. Computed by POT; differentiable
    in x and y, but for p > 1 not where the distance is 0.

    Args:
        x: Points, shape (n,).
        y: Points, shape (m,).
        a: Weights of x, which sum to 1; uniform if None.
        b: Weights of y.
        p: Order, at least 1. The distance is returned, not its p-th power.

    Returns:
        Scalar in the units of ``x``.

    Raises:
        ValueError: If a set is empty or not finite, weights don't sum to 1, or p is
            below 1.

    >>> x, y = torch.tensor([0.0, 1.0]), torch.tensor([5.0, 7.0, 6.0])
    >>> wasserstein_1d(x, y)
    tensor(5.5000)
    """
    refuse_order(p)
    refuse_empty(x, y)
    refuse_diverged(x, y)
    columns = (x.double(), y.double(), weights(a, len(x), "a"), weights(b, len(y), "b"))
    # One column each: POT transposes what it gets, and torch warns for vectors.
    powers = pot().wasserstein_1d(*(c.to(x.device)[:, None] for c in columns), p)
    return cast(Tensor, powers[0] ** (1 / p)).to(x.dtype)


def gaussian_wasserstein(
    mean_x: Float[Tensor, " d"],
    mean_y: Float[Tensor, " d"],
    covariance_x: Float[Tensor, "d d"],
    covariance_y: Float[Tensor, "d d"],
) -> Float[Tensor, ""]:
    r"""Wasserstein-2 distance of two Gaussians, in closed form.

    .. math:: W_2^2 = \lVert \mu_x - \mu_y \rVert^2 + \operatorname{tr}(\Sigma_x
        + \Sigma_y - 2 (\Sigma_x^{1/2} \Sigma_y \Sigma_x^{1/2})^{1/2})

    the second term being the squared Bures distance. FID is the square of this between
    Gaussians fitted to features; W1 is at most this, by Jensen's inequality.

    Args:
        mean_x: Mean of one Gaussian.
        mean_y: Mean of the other.
        covariance_x: Covariance of one, symmetric and positive semidefinite.
        covariance_y: Covariance of the other.

    Returns:
        Scalar float64 in the units of the means.

    References:
        Dowson and Landau 1982, "The Frechet distance between multivariate normal
        distributions".

    >>> zero, one = torch.zeros(1), torch.eye(1)
    >>> gaussian_wasserstein(zero, zero + 3, one, 25 * one)  # sqrt(3^2 + (1 - 5)^2)
    tensor(5., dtype=torch.float64)
    """
    root = _root(covariance_x.double())
    cross = torch.linalg.eigvalsh(root @ covariance_y.double() @ root)
    bures = (
        covariance_x.double().trace()
        + covariance_y.double().trace()
        - 2 * cross.clamp_min(0).sqrt().sum()
    )
    shift = (mean_x.double() - mean_y.double()).square().sum()
    return cast(Tensor, (shift + bures.clamp_min(0)).sqrt())


def _root(covariance: Tensor) -> Tensor:
    """Symmetric root of a positive semidefinite matrix."""
    values, vectors = torch.linalg.eigh(covariance)
    return cast(Tensor, (vectors * values.clamp_min(0).sqrt()) @ vectors.T)


def random_directions(
    k: int, d: int, generator: torch.Generator | None = None
) -> Float[Tensor, "{k} {d}"]:
    """``k`` directions, uniform on the unit sphere of d dimensions.

    >>> random_directions(3, 5).norm(dim=1).allclose(torch.ones(3))
    True
    """
    device = generator.device if generator else "cpu"
    normal = torch.randn(k, d, generator=generator, device=device)
    return torch.nn.functional.normalize(normal, dim=1)


def sliced_wasserstein_distance(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    directions: Float[Tensor, "k d"],
    p: float = 1.0,
) -> Float[Tensor, ""]:
    r"""Sliced Wasserstein-p distance between two uniform sample sets.

    .. math::
        SW_p^p = \frac1k \sum_j \int_0^1
        \lvert F_{j}^{-1}(u) - G_{j}^{-1}(u) \rvert^p \, du

    where :math:`F_j^{-1}, G_j^{-1}` are the quantile functions of the sets projected
    on direction j: on a line the optimal plan matches quantiles. Since a projection
    is 1-Lipschitz, ``SW_1 <= W_1``. Differentiable in x and y, but for p > 1 not where
    the distance is 0.

    Args:
        x: Samples of one distribution, each row with weight 1/n.
        y: Samples of the other, each row with weight 1/m. Sizes may differ.
        directions: Unit vectors, see `random_directions`.
        p: Order, at least 1. The distance is returned, not its p-th power.

    Returns:
        Scalar in the units of ``x``.

    Raises:
        ValueError: If a set is empty or p is below 1.

    References:
        Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of measures".

    >>> x, line = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0]])
    >>> sliced_wasserstein_distance(x, x + 3, line)
    tensor(3.)
    """
    refuse_order(p)
    refuse_empty(x, y)
    rows, cols, weights = _joint_quantiles(len(x), len(y), x.device)
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y, directions = x.to(dtype), y.to(dtype), directions.to(dtype)
    quantiles_x = (directions @ x.T).sort(dim=1).values[:, rows]
    quantiles_y = (directions @ y.T).sort(dim=1).values[:, cols]
    gaps = (quantiles_x - quantiles_y).abs() ** p
    return (gaps @ weights.to(gaps.dtype)).mean() ** (1 / p)


def _joint_quantiles(
    n: int, m: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Matched order statistics, and the share of the mass of each match.

    Levels are counted in units of 1/(nm), where both i/n and j/m are integers.
    """
    steps_x = torch.arange(n, device=device) * m
    steps_y = torch.arange(m, device=device) * n
    starts = torch.unique(torch.cat([steps_x, steps_y]))
    ends = torch.cat([starts[1:], starts.new_tensor([n * m])])
    return starts // m, starts // n, (ends - starts).double() / (n * m)
