"""A critic's estimate divided by its slope, and the exact distance."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .lipschitz import gradient_norm, interpolate
from .transport import optimal_pairs


class PlanEstimate(NamedTuple):
    """A critic's estimate for two sample sets, and their exact distance.

    Attributes:
        slope: Mean gradient norm over the lines of the optimal plan, one random point
            on each line that has a length, in f per unit of x.
        raw: Critic's estimate, mean f(real) - mean f(fake), in units of f.
        per_slope: ``raw / slope``, in units of x; 0 for a flat critic.
        exact: Exact W1 between the two samples, in units of x.
        lipschitz: Largest slope observed: of those gradient norms and of the rises
            |f(x) - f(y)| / |x - y| between partners. So ``raw <= lipschitz * exact``
            for any critic, up to rounding.
    """

    slope: Tensor
    raw: Tensor
    per_slope: Tensor
    exact: Tensor
    lipschitz: Tensor


def slope_on_plan(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "n ..."],
    fake: Float[Tensor, "n ..."],
    epsilon: Float[Tensor, " n"],
) -> Float[Tensor, ""]:
    r"""Mean slope of the critic on the lines of an optimal plan.

    .. math:: \frac1n \sum_i \lVert \nabla f(\epsilon_i x_i
              + (1 - \epsilon_i) \tilde x_{\sigma(i)}) \rVert_2

    with :math:`\sigma` the optimal assignment. A critic that
    attains W1 has slope 1 there, and only there is its slope determined (proposition
    before eq. 37); a critic of another slope estimates in another unit.

    Args:
        critic: Maps (n, ...) to (n,); no layer may mix samples.
        real: Data samples, shape (n, ...).
        fake: As many generated samples, in any order.
        epsilon: Uniform numbers in [0, 1], one per pair, shape (n,).

    Returns:
        Scalar, in units of f per unit of x; without graph.

    Raises:
        ValueError: If the sets differ in size or hold NaN or infinity.

    >>> w = torch.tensor([3.0, 4.0])
    >>> x, epsilon = torch.randn(6, 2), torch.rand(6)
    >>> slope_on_plan(lambda x: x @ w, x, x + 1, epsilon)
    tensor(5.)
    """
    return estimate_on_plan(critic, real, fake, epsilon).slope


def estimate_on_plan(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "n ..."],
    fake: Float[Tensor, "n ..."],
    epsilon: Float[Tensor, " n"],
) -> PlanEstimate:
    r"""A critic's estimate, its slope on the optimal plan, and the exact W1.

    The raw estimate is a mean of the critic's rises along the lines of the plan, so

    .. math:: E f(x) - E f(\tilde x) \le \max_i
              \frac{|f(x_i) - f(\tilde x_{\sigma(i)})|}
                   {\lVert x_i - \tilde x_{\sigma(i)} \rVert} \cdot W_1 .

    Dividing by the mean slope instead removes the critic's unknown scale from the
    estimate: see docs/theory.md. That mean is over one random point on each line; with
    n lines its relative error is that of n draws.

    Args:
        critic: Maps (n, ...) to (n,); no layer may mix samples.
        real: Data samples, shape (n, ...).
        fake: As many generated samples.
        epsilon: Uniform numbers in [0, 1], one per pair, shape (n,).

    Returns:
        Five scalars, see `PlanEstimate`; in float32, or float64 where the samples
        are.

    Raises:
        ValueError: If the sets differ in size or hold NaN or infinity.

    >>> real, fake = torch.zeros(1, 2), torch.tensor([[0.0, 2.0]])
    >>> estimate = estimate_on_plan(lambda x: -7 * x[:, 1], real, fake, torch.rand(1))
    >>> [round(float(value), 4) for value in estimate]
    [7.0, 14.0, 2.0, 2.0, 7.0]
    """
    if real.shape != fake.shape:
        raise ValueError(
            "The exact assignment pairs samples one to one: real has shape "
            f"{tuple(real.shape)}, fake {tuple(fake.shape)}."
        )
    rows, cols = optimal_pairs(*(x[:, None].flatten(1) for x in (real, fake)))
    exact = torch.promote_types(real.dtype, torch.float32)  # half loses the slopes
    real, fake = real[rows].to(exact), fake[cols].to(exact)
    lengths = (real - fake)[:, None].flatten(1).norm(dim=1)
    lines = lengths > 0  # matched samples that coincide define no slope
    with torch.autocast(real.device.type, enabled=False), torch.no_grad():
        norms = gradient_norm(critic, interpolate(real, fake, epsilon))
        rise = critic(real) - critic(fake)
    slope = torch.where(lines, norms, 0).sum() / lines.sum().clamp_min(1)
    rises = torch.where(lines, rise.abs() / lengths, 0)
    raw = rise.mean()
    return PlanEstimate(
        slope=slope,
        raw=raw,
        per_slope=torch.where(slope > 0, raw / slope, torch.zeros_like(raw)),
        exact=lengths.mean(),
        lipschitz=torch.maximum(norms.max(), rises.max()),
    )
