"""Wasserstein distances between sample sets, exact and sliced."""

import warnings

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

# POT stops after 100,000, which 2,000 against 2,000 images exceed.
MAX_PIVOTS = 10_000_000


def euclidean_cost(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Tensor:
    """Euclidean distances between all rows, (n, m), in float64.

    Differences are taken coordinate by coordinate. The faster expansion
    ``|x|^2 - 2xy + |y|^2`` loses half of the digits where two points nearly
    coincide, and then ``wasserstein_distance(x, x)`` would not be 0.

    Raises:
        ValueError: If a set is empty or a coordinate is not finite.
    """
    _refuse_empty(x, y)
    if not bool(torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError("A sample set holds NaN or infinity: has training diverged?")
    return torch.cdist(
        x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist"
    )


def wasserstein_distance(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], max_pivots: int = MAX_PIVOTS
) -> Float[Tensor, ""]:
    r"""Exact Wasserstein-1 distance between two uniform sample sets.

    .. math:: W_1 = \min_{\gamma \in \Pi} \sum_{ij} \gamma_{ij} \lVert x_i - y_j \rVert

    the linear programme of eq. (15) and (23), solved to optimality by POT's network
    simplex on the CPU in float64. It needs 16 bytes for each of the n * m pairs; 2,000
    against 2,000 points take about a second.

    Args:
        x: Samples of one distribution, each row with weight 1/n.
        y: Samples of the other, each row with weight 1/m. Sizes may differ.
        max_pivots: Pivots after which the solver gives up.

    Returns:
        Scalar float64 in the units of ``x``, on its device; no gradient.

    Raises:
        ValueError: If a set is empty or not finite.
        RuntimeError: If the solver did not reach the optimum.

    References:
        Bonneel et al. 2011 (the solver); Flamary et al. 2021 (POT).

    >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> wasserstein_distance(x, x + torch.tensor([3.0, 4.0]))
    tensor(5., dtype=torch.float64)
    """
    cost = euclidean_cost(x.detach().cpu(), y.detach().cpu()).numpy()
    with warnings.catch_warnings():
        # POT's sources make Python warn when it compiles them; the pivot limit, of
        # which POT only warns, is an error below.
        warnings.simplefilter("ignore")
        import ot  # here, as it takes a second and most commands never need it

        value, log = ot.emd2([], [], cost, numItermax=max_pivots, log=True)
    if log["warning"] is not None:
        raise RuntimeError(
            f"The exact Wasserstein distance of {len(x)} and {len(y)} points was not "
            f"reached in {max_pivots} pivots: pass fewer points or more max_pivots."
        )
    return torch.as_tensor(value, dtype=torch.float64, device=x.device)


def optimal_pairs(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """An optimal plan between two sets of equal size, as matched rows.

    Between uniform sets of equal size some optimal plan is a permutation
    (Birkhoff), which SciPy finds exactly. On the lines ``x[rows]`` to ``y[cols]``
    the optimal critic has slope 1.

    Returns:
        ``rows, cols``: ``x[rows[i]]`` is matched with ``y[cols[i]]``.

    Raises:
        ValueError: If a set is empty or not finite.

    >>> optimal_pairs(torch.tensor([[0.0], [5.0]]), torch.tensor([[5.5], [1.0]]))
    (tensor([0, 1]), tensor([1, 0]))
    """
    rows, cols = linear_sum_assignment(
        euclidean_cost(x.detach().cpu(), y.detach().cpu()).numpy()
    )
    return torch.as_tensor(rows).to(x.device), torch.as_tensor(cols).to(x.device)


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
    is 1-Lipschitz, ``SW_1 <= W_1``. Differentiable in x and y.

    Args:
        x: Samples of one distribution, each row with weight 1/n.
        y: Samples of the other, each row with weight 1/m. Sizes may differ.
        directions: Unit vectors, see `random_directions`.
        p: Order, at least 1. The distance itself comes back, not its p-th power.

    Returns:
        Scalar in the units of ``x``.

    Raises:
        ValueError: If a set is empty.

    References:
        Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of measures".

    >>> x, line = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0]])
    >>> sliced_wasserstein_distance(x, x + 3, line)
    tensor(3.)
    """
    _refuse_empty(x, y)
    rows, cols, weights = _joint_quantiles(len(x), len(y), x.device)
    quantiles_x = (directions @ x.T).sort(dim=1).values[:, rows]
    quantiles_y = (directions @ y.T).sort(dim=1).values[:, cols]
    gaps = (quantiles_x - quantiles_y).abs() ** p
    return (gaps @ weights.to(gaps.dtype)).mean() ** (1 / p)


def _refuse_empty(x: Tensor, y: Tensor) -> None:
    if len(x) == 0 or len(y) == 0:
        raise ValueError("A sample set is empty: a distance needs points in both.")


def _joint_quantiles(
    n: int, m: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Which order statistics face each other, and over what share of the mass.

    Levels are counted in units of 1/(nm), where both i/n and j/m are integers.
    """
    steps_x = torch.arange(n, device=device) * m
    steps_y = torch.arange(m, device=device) * n
    starts = torch.unique(torch.cat([steps_x, steps_y]))
    ends = torch.cat([starts[1:], starts.new_tensor([n * m])])
    return starts // m, starts // n, (ends - starts).double() / (n * m)
