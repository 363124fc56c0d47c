r"""Kantorovich duality, step by step (eq. 18-32).

docs/theory.md writes transport between n and m weighted points as a linear programme
over :math:`\Gamma = (\gamma_{11}, \gamma_{12}, \dots, \gamma_{nm})`, takes its dual,
and replaces the dual's two potentials by the one function that a critic learns.
`primal` and `dual` solve the two programmes directly, with SciPy's HiGHS: for teaching
and for checking `transport.optimal_transport`, which is far faster.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from scipy.optimize import OptimizeResult, linprog
from torch import Tensor

from .distance import euclidean, pairwise
from .transport import check_finite, optimal_transport, weights


class Dual(NamedTuple):
    """Potentials f (n,) and g (m,) of eq. (26), and the dual's value."""

    f: Tensor
    g: Tensor
    value: Tensor


def marginal_matrix(n: int, m: int) -> sparse.csr_array:
    """Constraint matrix A of eq. (21-22): row and column sums of a flattened plan.

    Returns:
        Sparse, shape (n + m, n * m): ``A @ plan.flatten()`` is the n row sums, which
        must be P, above the m column sums, which must be Q.

    >>> marginal_matrix(2, 2).toarray().astype(int)
    array([[1, 1, 0, 0],
           [0, 0, 1, 1],
           [1, 0, 1, 0],
           [0, 1, 0, 1]])
    """
    rows = sparse.kron(sparse.eye_array(n), np.ones((1, m)))
    columns = sparse.kron(np.ones((1, n)), sparse.eye_array(m))
    return sparse.csr_array(sparse.vstack([rows, columns]))


def primal(
    cost: Float[Tensor, "n m"],
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
) -> tuple[Float[Tensor, "n m"], Float[Tensor, ""]]:
    r"""Optimal plan by the linear programme of eq. (23).

    .. math:: \min_\Gamma \{ \langle \Gamma, D \rangle
              \mid A \Gamma = b, \Gamma \ge 0 \}

    Args:
        cost: D, shape (n, m).
        a: Weights P of the rows, which sum to 1; uniform if None.
        b: Weights Q of the columns.

    Returns:
        Plan (n, m) and its cost, both float64.

    Raises:
        ValueError: If the cost is not finite or the weights don't match.

    >>> plan, value = primal(torch.tensor([[1.0, 3.0], [2.0, 1.0]]))
    >>> value
    tensor(1., dtype=torch.float64)
    """
    n, m = check_finite(cost).shape
    right = torch.cat([weights(a, n, "a"), weights(b, m, "b")])
    unit, scaled = _scaled(cost)
    solution = _highs(
        scaled.flatten().numpy(),
        A_eq=marginal_matrix(n, m),
        b_eq=right.numpy(),
    )
    return torch.as_tensor(solution.x).reshape(n, m), _scalar(unit * solution.fun)


def dual(
    cost: Float[Tensor, "n m"],
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
) -> Dual:
    r"""Kantorovich potentials by the linear programme of eq. (25-28).

    .. math:: \max_{f, g} \{ \sum_i P_i f_i + \sum_j Q_j g_j
              \mid f_i + g_j \le D_{ij} \}

    By strong duality (eq. 24) its value is that of `primal`.

    Args:
        cost: D, shape (n, m).
        a: Weights P of the rows, which sum to 1; uniform if None.
        b: Weights Q of the columns.

    Returns:
        Potentials and value, float64, see `Dual`.

    Raises:
        ValueError: If the cost is not finite or the weights don't match.

    >>> dual(torch.tensor([[1.0, 3.0], [2.0, 1.0]])).value
    tensor(1., dtype=torch.float64)
    """
    n, m = check_finite(cost).shape
    right = torch.cat([weights(a, n, "a"), weights(b, m, "b")])
    unit, scaled = _scaled(cost)
    solution = _highs(
        -right.numpy(),
        A_ub=marginal_matrix(n, m).T,
        b_ub=scaled.flatten().numpy(),
        bounds=(None, None),
    )
    potentials = unit * torch.as_tensor(solution.x)
    return Dual(potentials[:n], potentials[n:], _scalar(-unit * solution.fun))


def c_transform(
    potential: Float[Tensor, " m"], cost: Float[Tensor, "n m"]
) -> Float[Tensor, " n"]:
    r"""C-transform of g, :math:`f_i = \min_j D_{ij} - g_j`.

    It is the largest f that satisfies eq. (27), so it never lowers the dual's value.

    Args:
        potential: g, shape (m,).
        cost: D, shape (n, m); pass it transposed to get g from f.

    >>> c_transform(torch.tensor([0.0, 2.0]), torch.tensor([[1.0, 3.0], [2.0, 1.0]]))
    tensor([ 1., -1.])
    """
    return (cost - potential).amin(1)


class OptimalCritic:
    r"""Optimal critic between two point sets: it attains W1 (eq. 29-32).

    .. math:: f(z) = \min_j \, d(z, y_j) - g_j

    the c-transform of the optimal potential g, taken over the whole space. If d is a
    metric, f is 1-Lipschitz, being a minimum of 1-Lipschitz functions, and
    ``f(y_j) <= -g_j``: hence g = -f loses nothing, and mean f(x) - mean f(y) is W1.
    It is differentiable, so it can be evaluated like any other critic.

    Args:
        x: Points of P, shape (n, d).
        y: Points of Q, shape (m, d).
        a: Weights of x, which sum to 1; uniform if None.
        b: Weights of y.
        distance: A metric, see `distance`.

    Raises:
        ValueError: If the points are not finite or the weights don't match.

    >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [6.0]])
    >>> critic = OptimalCritic(x, y)
    >>> round((critic(x).mean() - critic(y).mean()).item(), 6)
    5.0
    """

    def __init__(
        self,
        x: Float[Tensor, "n d"],
        y: Float[Tensor, "m d"],
        a: Float[Tensor, " n"] | None = None,
        b: Float[Tensor, " m"] | None = None,
        *,
        distance: Callable[[Tensor, Tensor], Tensor] = euclidean,
    ) -> None:
        self.distance = distance
        self.anchors = y.detach().double()
        cost = pairwise(distance, x.detach().double(), self.anchors)
        self.g = optimal_transport(cost, a, b).g

    def __call__(self, points: Float[Tensor, "k d"]) -> Float[Tensor, " k"]:
        """Scores (k,) of points (k, d), float64."""
        cost = pairwise(self.distance, points.double(), self.anchors)
        return c_transform(self.g, cost)


def _scaled(cost: Tensor) -> tuple[float, Tensor]:
    """The cost in units of its largest entry: HiGHS' tolerances are absolute."""
    exact = cost.detach().cpu().double()
    unit = float(exact.abs().max()) or 1.0
    return unit, exact / unit


def _highs(objective: Any, **constraints: Any) -> OptimizeResult:
    solution = linprog(objective, method="highs", **constraints)
    if not solution.success:
        raise RuntimeError(f"HiGHS did not solve the programme: {solution.message}")
    return solution


def _scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)
