"""Exact optimal transport: plan, potentials and cost (eq. 15-28).

Solved by POT's network simplex. `kantorovich` solves the same problem as the linear
programmes of docs/theory.md.
"""

import warnings
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lightning_modules.core.validation import NotFiniteError

# POT stops after 100,000, which 2,000 against 2,000 images exceed.
MAX_PIVOTS = 10_000_000


def euclidean_cost(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Tensor:
    """Euclidean distances between all rows, (n, m), in float64.

    Differences are computed coordinate by coordinate. The faster expansion
    ``|x|^2 - 2xy + |y|^2`` loses half of the digits where two points nearly
    coincide, and then ``wasserstein_distance(x, x)`` would not be 0.

    Raises:
        ValueError: If a set is empty or a coordinate is not finite.
    """
    refuse_empty(x, y)
    refuse_diverged(x, y)
    return torch.cdist(
        x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist"
    )


class Transport(NamedTuple):
    """An optimal plan between two weighted point sets, with its dual certificate.

    Attributes:
        plan: gamma, shape (n, m): mass moved from x_i to y_j (eq. 15).
        f: Potential of each x_i, shape (n,) (eq. 26).
        g: Potential of each y_j, shape (m,).
        cost: Total cost of the plan, a scalar; ``a @ f + b @ g`` is equal to it
            (eq. 25).
    """

    plan: Tensor
    f: Tensor
    g: Tensor
    cost: Tensor


def optimal_transport(
    cost: Float[Tensor, "n m"],
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
    *,
    max_pivots: int = MAX_PIVOTS,
) -> Transport:
    r"""Optimal plan and potentials between two weighted point sets (eq. 23 and 25).

    .. math:: \min_{\gamma \ge 0} \sum_{ij} \gamma_{ij} D_{ij}
              \quad\text{with}\quad \gamma 1 = a, \; \gamma^\top 1 = b

    The potentials are feasible up to rounding, ``f[i] + g[j] <= cost[i, j]``, with
    equality where the plan moves mass (complementary slackness). They are determined up
    to a constant that moves from f to g.

    Args:
        cost: d(x_i, y_j) for each pair, from `euclidean_cost` or ``distance.pairwise``.
        a: Weights of the x_i, which sum to 1; uniform if None.
        b: Weights of the y_j.
        max_pivots: Pivots after which the solver stops with an error.

    Returns:
        Float64 tensors on the device of ``cost``, see `Transport`; no gradient.

    Raises:
        ValueError: If the cost is not finite, or weights are negative, of the
            wrong length, or don't sum to 1.
        RuntimeError: If the solver did not reach the optimum.

    >>> transport = optimal_transport(torch.tensor([[1.0, 3.0], [2.0, 1.0]]))
    >>> transport.plan
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]], dtype=torch.float64)
    >>> transport.cost
    tensor(1., dtype=torch.float64)
    """
    exact = check_finite(cost).detach().cpu().double()
    a, b = weights(a, cost.shape[0], "a"), weights(b, cost.shape[1], "b")
    unit = float(exact.abs().max()) or 1.0  # the solver's tolerance is absolute
    plan, log = _network_simplex("emd", a, b, exact / unit, max_pivots)
    parts = (plan, unit * log["u"], unit * log["v"], unit * log["cost"])
    return Transport(
        *(torch.as_tensor(x, dtype=torch.float64, device=cost.device) for x in parts)
    )


def wasserstein_distance(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
    *,
    p: float = 1.0,
    max_pivots: int = MAX_PIVOTS,
) -> Float[Tensor, ""]:
    r"""Exact Wasserstein-p distance between two weighted sample sets.

    .. math:: W_p^p = \min_{\gamma \in \Pi} \sum_{ij} \gamma_{ij}
              \lVert x_i - y_j \rVert^p

    the linear programme of eq. (15) and (23), solved to optimality by POT's network
    simplex on the CPU in float64. It needs about 50 bytes for each of the n * m pairs;
    2,000 against 2,000 points take about a second.

    Args:
        x: Samples of one distribution.
        y: Samples of the other. Sizes may differ.
        a: Weights of the rows of x, which sum to 1; uniform if None.
        b: Weights of the rows of y.
        p: Order, at least 1. The distance is returned, not its p-th power.
        max_pivots: Pivots after which the solver stops with an error.

    Returns:
        Scalar float64 in the units of ``x``, on its device; no gradient.

    Raises:
        ValueError: If a set is empty or not finite, weights don't sum to 1, or p is
            below 1.
        RuntimeError: If the solver did not reach the optimum.

    References:
        Bonneel et al. 2011 (the solver); Flamary et al. 2021 (POT).

    >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> wasserstein_distance(x, x + torch.tensor([3.0, 4.0]))
    tensor(5., dtype=torch.float64)
    """
    refuse_order(p)
    cost = euclidean_cost(x.detach().cpu(), y.detach().cpu())
    unit = float(cost.max()) or 1.0  # powers of it neither overflow nor vanish
    a, b = weights(a, len(x), "a"), weights(b, len(y), "b")
    value, _ = _network_simplex("emd2", a, b, (cost / unit) ** p, max_pivots)
    distance = torch.as_tensor(value, dtype=torch.float64, device=x.device)
    return unit * distance.clamp_min(0) ** (1 / p)


def optimal_pairs(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Optimal matching of the rows of two sets of equal size.

    Between uniform sets of equal size some optimal plan is a permutation
    (Birkhoff), which SciPy finds exactly. On the lines ``x[rows]`` to ``y[cols]``
    the optimal critic has slope 1.

    Returns:
        ``rows, cols``: ``x[rows[i]]`` is matched with ``y[cols[i]]``.

    Raises:
        ValueError: If a set is empty or not finite, or the sets differ in size.

    >>> optimal_pairs(torch.tensor([[0.0], [5.0]]), torch.tensor([[5.5], [1.0]]))
    (tensor([0, 1]), tensor([1, 0]))
    """
    if len(x) != len(y):
        raise ValueError(
            f"Sets of {len(x)} and {len(y)} points can't be paired one to one: use "
            "optimal_transport, which splits mass."
        )
    rows, cols = linear_sum_assignment(
        euclidean_cost(x.detach().cpu(), y.detach().cpu()).numpy()
    )
    return torch.as_tensor(rows).to(x.device), torch.as_tensor(cols).to(x.device)


def weights(values: Tensor | None, n: int, name: str) -> Float[Tensor, " n"]:
    """Weights of n points in float64 on the CPU, uniform if none are given.

    Raises:
        ValueError: If they are negative, of the wrong length, or don't sum to 1.
    """
    if values is None:
        return torch.full((n,), 1 / n, dtype=torch.float64)
    exact = values.detach().cpu().double()
    total = float(exact.sum())
    if exact.shape != (n,) or bool((exact < 0).any()) or not abs(total - 1) <= 1e-5:
        raise ValueError(
            f"Weights {name} must be {n} numbers of at least 0 that sum to 1, got "
            f"shape {tuple(exact.shape)} with sum {total:.6g}."
        )
    return exact / total


def pot() -> Any:
    """The POT library, imported on first use."""
    with warnings.catch_warnings():
        # POT's sources make Python warn when it compiles them.
        warnings.simplefilter("ignore")
        import ot  # takes a second, and most commands never need it
    return ot


def _network_simplex(
    solver: str, a: Tensor, b: Tensor, cost: Tensor, max_pivots: int
) -> tuple[Any, dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # POT warns of the pivots, we raise
        solution, log = getattr(pot(), solver)(
            a.numpy(), b.numpy(), cost.numpy(), numItermax=max_pivots, log=True
        )
    if log["warning"] is not None:
        raise RuntimeError(
            f"The optimal plan between {len(a)} and {len(b)} points was not reached in "
            f"{max_pivots} pivots: pass fewer points or more max_pivots."
        )
    return solution, log


def check_finite(cost: Tensor) -> Tensor:
    """The cost itself; ValueError if it is empty, NaN or infinite."""
    if cost.numel() == 0:
        raise ValueError("The cost matrix is empty: a plan needs points in both sets.")
    if not bool(torch.isfinite(cost).all()):
        raise NotFiniteError(
            "The cost matrix holds NaN or infinity: has training diverged?"
        )
    return cost


def refuse_order(p: float) -> None:
    """Refuse an order below 1 or infinite (ValueError)."""
    if not 1 <= p < float("inf"):
        raise ValueError(
            f"p of a Wasserstein distance must be finite and at least 1, got {p}."
        )


def refuse_empty(x: Tensor, y: Tensor) -> None:
    """Refuse an empty sample set (ValueError)."""
    if len(x) == 0 or len(y) == 0:
        raise ValueError("A sample set is empty: a distance needs points in both.")


def refuse_diverged(*sets: Tensor) -> None:
    """Refuse a sample set with NaN or infinity (NotFiniteError)."""
    if not all(bool(torch.isfinite(x).all()) for x in sets):
        raise NotFiniteError(
            "A sample set holds NaN or infinity: has training diverged?"
        )
