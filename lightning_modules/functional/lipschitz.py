"""Keeping a critic Lipschitz: clipping (eq. 33), gradient penalty (eq. 36-40)."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from lightning_modules.functional.layered import layers_of, scores_and_gradients
from lightning_modules.functional.piecewise import PiecewiseLinear

# Added under the root, so that the second derivative is finite where the gradient is 0.
_TINY = 1e-12


def interpolate(
    real: Float[Tensor, "n ..."],
    fake: Float[Tensor, "m ..."],
    epsilon: Float[Tensor, "..."],
) -> Tensor:
    r"""Points on the lines between paired samples (eq. 38-39).

    .. math:: \hat x_i = \epsilon_i x_i + (1 - \epsilon_i) \tilde x_i

    Args:
        real: Data samples, shape (n, ...).
        fake: Generated samples, same shape; row i is paired with row i.
        epsilon: One number in [0, 1] per pair, shape (n,).

    Returns:
        Points of the shape of ``real``, detached from any graph.

    Raises:
        ValueError: If the shapes differ or ``epsilon`` is not one number per pair.

    >>> x, y = torch.zeros(1, 2), torch.ones(1, 2)
    >>> interpolate(x, y, torch.tensor([0.25]))
    tensor([[0.7500, 0.7500]])
    """
    if real.shape != fake.shape or epsilon.shape != real.shape[:1]:
        raise ValueError(
            f"Pairs need real and fake of one shape and epsilon of shape (n,), got "
            f"{tuple(real.shape)}, {tuple(fake.shape)}, {tuple(epsilon.shape)}."
        )
    weight = epsilon.to(real.dtype).reshape(-1, *[1] * (real.ndim - 1))
    return torch.lerp(fake.detach().to(real.dtype), real.detach(), weight)


def gradient_norm(
    critic: Callable[[Tensor], Tensor],
    points: Float[Tensor, "n ..."],
    *,
    norm_order: float = 2.0,
    create_graph: bool = False,
) -> Float[Tensor, " n"]:
    r"""Norm of the critic's gradient at each point, over all axes of the point.

    .. math:: \lVert \nabla_x f(x_i) \rVert_p

    Args:
        critic: Maps (n, ...) to (n,) without mixing samples.
        points: Where the gradient is evaluated, shape (n, ...).
        norm_order: p >= 1, or ``inf``: the order dual to that of the ground distance,
            2 for Euclidean transport.
        create_graph: Keep the graph, so that the norm can be differentiated. A
            Euclidean norm then has a floor of 1e-6, which keeps the second derivative
            finite.

    Returns:
        Norms, shape (n,), in units of f per unit of x.

    Raises:
        ValueError: If the critic does not return one score per point.

    >>> w = torch.tensor([3.0, 4.0])
    >>> gradient_norm(lambda x: x @ w, torch.zeros(2, 2))
    tensor([5., 5.])
    """
    return scores_and_slopes(
        critic, points, norm_order=norm_order, create_graph=create_graph
    )[1]


def scores_and_slopes(
    critic: Callable[[Tensor], Tensor],
    points: Float[Tensor, "n ..."],
    *,
    norm_order: float = 2.0,
    create_graph: bool = False,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Scores of the critic and norms of its gradient, from one pass.

    Args:
        critic: See `gradient_norm`.
        points: Where the gradient is evaluated, shape (n, ...).
        norm_order: Order of the norm.
        create_graph: Keep the graph of both; otherwise neither has one.

    Returns:
        Scores and norms, shape (n,) each.

    >>> w = torch.tensor([3.0, 4.0])
    >>> scores_and_slopes(lambda x: x @ w, torch.ones(1, 2))
    (tensor([7.]), tensor([5.]))
    """
    with torch.enable_grad():
        scores, slope = _differentiate(critic, points.detach(), create_graph)
        # Squares of half-precision gradients would overflow or vanish.
        flat = slope[:, None].flatten(1)
        flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
        if create_graph:
            return scores, _smooth_norm(flat, norm_order)
        norms: Tensor = torch.linalg.vector_norm(flat.double(), norm_order, dim=1)
        return scores.detach(), norms.to(flat.dtype)


def _differentiate(
    critic: Callable[[Tensor], Tensor], points: Tensor, create_graph: bool
) -> tuple[Tensor, Tensor]:
    """Scores of the critic, and its gradient at each point."""
    if torch.compiler.is_compiling():  # the compiler follows only this form
        slope, scores = torch.func.grad(
            lambda x: _total(critic, x, create_graph), has_aux=True
        )(points)
        return scores, slope
    if create_graph and (layers := layers_of(critic, points)):
        scores, slope = scores_and_gradients(layers, points)
        return _one_each(scores, points), slope
    total, scores = _total(critic, points.requires_grad_(True), create_graph)
    (slope,) = torch.autograd.grad(total, points, create_graph=create_graph)
    return scores, slope


def _total(
    critic: Callable[[Tensor], Tensor], points: Tensor, create_graph: bool
) -> tuple[Tensor, Tensor]:
    """Sum of the scores, whose gradient has that of each score, and the scores."""
    with PiecewiseLinear() if create_graph else nullcontext():
        scores = critic(points)
    _one_each(scores, points)
    return scores.sum(), scores


def _one_each(scores: Tensor, points: Tensor) -> Tensor:
    """The scores, if there is one for each point."""
    if scores.shape != points.shape[:1]:
        raise ValueError(
            f"The critic must return one score per sample, shape "
            f"({len(points)},), got {tuple(scores.shape)}."
        )
    return scores


def _smooth_norm(flat: Tensor, norm_order: float) -> Tensor:
    """Norm of each row, twice differentiable everywhere."""
    if norm_order == 2.0:
        return (flat.square().sum(1) + _TINY).sqrt()
    if norm_order == float("inf"):
        return flat.abs().amax(1)
    # Powers of small numbers vanish: scale by the largest one.
    size = flat.detach().abs().amax(1, keepdim=True).clamp_min(_TINY)
    power = (flat.abs() / size).pow(norm_order).sum(1)
    return size.squeeze(1) * (power + _TINY).pow(1 / norm_order)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "n ..."],
    fake: Float[Tensor, "n ..."],
    epsilon: Float[Tensor, " n"],
    *,
    slope: float = 1.0,
    one_sided: bool = False,
    norm_order: float = 2.0,
) -> Float[Tensor, ""]:
    r"""Mean squared excess of the critic's slope between paired samples (eq. 36-40).

    .. math:: E_{\hat x} [(\lVert \nabla f(\hat x) \rVert_p - K)^2]
              \quad\text{or, one-sided,}\quad
              E_{\hat x} [\max(\lVert \nabla f(\hat x) \rVert_p - K, 0)^2]

    Computed under `penalising`, with norms in float32.

    Args:
        critic: Maps (n, ...) to (n,); no layer may mix samples.
        real: Data samples, shape (n, ...).
        fake: Generated samples, same shape.
        epsilon: Uniform numbers in [0, 1], one per pair, shape (n,).
        slope: Target slope K, in units of f per unit of x.
        one_sided: Penalise only slopes above K.
        norm_order: Order p of the gradient's norm.

    Returns:
        Scalar, not negative, differentiable in the critic's weights.

    Raises:
        ValueError: If the shapes do not pair up or the critic returns no vector.

    References:
        Gulrajani et al. 2017, arXiv:1704.00028, eq. 3.

    >>> x, epsilon = torch.randn(4, 3), torch.rand(4)
    >>> gradient_penalty(lambda x: 3 * x[:, 0], x, x + 1, epsilon)  # (3 - 1)^2
    tensor(4.)
    """
    with penalising(real.device):
        points = interpolate(real, fake, epsilon)
        norms = gradient_norm(critic, points, norm_order=norm_order, create_graph=True)
        return squared_excess(norms, slope=slope, one_sided=one_sided)


def squared_excess(
    norms: Float[Tensor, " n"], *, slope: float = 1.0, one_sided: bool = False
) -> Float[Tensor, ""]:
    """Mean squared excess of norms (n,) over a slope; two-sided unless ``one_sided``.

    >>> squared_excess(torch.tensor([0.0, 3.0]), one_sided=True)
    tensor(2.)
    """
    excess = norms - slope
    if one_sided:
        excess = excess.clamp_min(0)
    return excess.square().mean()


def surroundings(
    data: Float[Tensor, "n ..."],
    uniform: Float[Tensor, "n ..."],
    spread: float = 0.5,
    batch: Float[Tensor, "m ..."] | None = None,
) -> Float[Tensor, "n ..."]:
    r"""Random points around the data, where DRAGAN penalises the slope.

    .. math:: \hat x_i = x_i + c \, \sigma(x) \, u_i

    Args:
        data: Samples, shape (n, ...).
        uniform: u, numbers in [0, 1], of the same shape.
        spread: c, in units of the standard deviation of all entries of the batch.
        batch: The batch, where the samples are a part of it; None: the samples.

    Returns:
        Points of the shape of ``data``, detached from any graph.

    References:
        Kodali et al. 2017, arXiv:1705.07215, and the authors' code.

    >>> surroundings(torch.tensor([[0.0], [2.0]]), torch.ones(2, 1)).flatten()
    tensor([0.5000, 2.5000])
    """
    data = data.detach()
    deviation = (data if batch is None else batch.detach()).std(correction=0)
    return data + spread * deviation * uniform.to(data.dtype)


@contextmanager
def penalising(device: torch.device) -> Iterator[None]:
    """Context in which a critic runs in its own precision, twice differentiable.

    Half precision loses the penalty; compiled code and fused attention have no second
    derivatives.
    """
    kind = device.type
    casts = torch.is_autocast_enabled(kind)
    own = torch.autocast(kind, enabled=False) if casts else nullcontext()
    with own, sdpa_kernel(SDPBackend.MATH):
        if torch.compiler.is_compiling() or "torch._dynamo" not in sys.modules:
            yield  # this is being compiled, or nothing is
        else:
            with torch.compiler.set_stance("force_eager"):
                yield


@torch.no_grad()
def clip_weights_(parameters: Iterable[Tensor], bound: float) -> None:
    """Clip every weight to [-bound, bound], in place (Algorithm 1, line 7).

    The clipped critics are K-Lipschitz for some unknown K (eq. 33), so their
    estimate is at most K times W1.

    Args:
        parameters: Weights to clip, without buffers.
        bound: c > 0.

    >>> w = torch.tensor([-1.0, 0.005])
    >>> clip_weights_([w], 0.01)
    >>> w
    tensor([-0.0100,  0.0050])
    """
    for parameter in parameters:
        parameter.clamp_(-bound, bound)
