"""Entropy-regularised transport by Sinkhorn's iterations."""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from .transport import check_finite, pot, weights


def sinkhorn_plan(
    cost: Float[Tensor, "n m"],
    regularisation: float,
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
    *,
    max_iterations: int = 10_000,
) -> Float[Tensor, "n m"]:
    r"""Entropy-regularised plan, by Sinkhorn's iterations in the log domain.

    .. math:: \min_{\gamma \in \Pi} \langle \gamma, D \rangle
              - \epsilon H(\gamma)

    Its cost ``(plan * cost).sum()`` is never below that of the optimal plan, and
    converges to it as the regularisation goes to 0, in ever more iterations.

    Args:
        cost: d(x_i, y_j) for each pair.
        regularisation: epsilon > 0, in the units of the cost.
        a: Weights of the rows, which sum to 1; uniform if None.
        b: Weights of the columns.
        max_iterations: Iterations after which POT stops.

    Returns:
        Float64 plan, shape (n, m), on the device of ``cost``; no gradient.

    Raises:
        ValueError: If an argument is out of its range.
        RuntimeError: If the iterations did not converge.

    References:
        Cuturi 2013, "Sinkhorn distances: lightspeed computation of optimal transport".

    >>> plan = sinkhorn_plan(torch.tensor([[0.0, 9.0], [9.0, 0.0]]), 0.1)
    >>> plan.round(decimals=3).diagonal()
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    if not regularisation > 0:
        raise ValueError(f"regularisation must be above 0, got {regularisation}.")
    if max_iterations < 1:
        raise ValueError(f"max_iterations must be at least 1, got {max_iterations}.")
    exact = check_finite(cost).detach().cpu().double()
    a, b = weights(a, cost.shape[0], "a"), weights(b, cost.shape[1], "b")
    bregman = pot().bregman
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an error below
        plan, log = bregman.sinkhorn_log(
            a.numpy(),
            b.numpy(),
            exact.numpy(),
            regularisation,
            numItermax=max_iterations,
            log=True,
        )
    if not log["err"][-1] <= 1e-6:
        raise RuntimeError(
            f"Sinkhorn's iterations did not converge in {max_iterations}: use a larger "
            "regularisation or more max_iterations."
        )
    return torch.as_tensor(plan, device=cost.device)
