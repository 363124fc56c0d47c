"""ReLU and leaky ReLU whose zero second derivatives are skipped."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class PiecewiseLinear(TorchFunctionMode):
    r"""Context in which the slopes of ReLU and leaky ReLU are constants.

    They are constants almost everywhere, but torch differentiates a slope into a tensor
    of zeros, and propagates these zeros back through the layers before: a third of
    what the second derivative of a multilayer perceptron costs. Values and gradients
    are the same to the last bit, except that weights which only zeros would reach (the
    biases, if no other layer is nonlinear) get no gradient instead of zeros.

    Layers that write into their input (``inplace=True``) and scripted code are not
    replaced.

    >>> w, x = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> with PiecewiseLinear():
    ...     y = torch.relu(w * x)
    >>> (slope,) = torch.autograd.grad(y, x, create_graph=True)
    >>> torch.autograd.grad(slope, w)
    (tensor([1.]),)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace torch's function by the one of this file."""
        parse = _PARSERS.get(func)
        bend = parse(*args, **(kwargs or {})) if parse else None
        if bend is None:
            return func(*args, **(kwargs or {}))
        if torch.compiler.is_compiling():
            return _bend(*bend)
        return _Bend.apply(*bend)


Bend = tuple[Tensor, float] | None


def _relu(input: Tensor, inplace: bool = False) -> Bend:
    return None if inplace else (input, 0.0)


def _leaky_relu(
    input: Tensor,
    negative_slope: float = 0.01,
    inplace: bool = False,
) -> Bend:
    return None if inplace or negative_slope < 0 else (input, negative_slope)


# The input and the negative slope, from the arguments of torch's functions.
_PARSERS: dict[Callable[..., Any], Callable[..., Bend]] = {
    F.relu: _relu,
    torch.relu: _relu,
    Tensor.relu: _relu,
    F.leaky_relu: _leaky_relu,
}


def _bend(x: Tensor, negative_slope: float) -> Tensor:
    """Leaky ReLU of operations that the compiler knows.

    On a CPU the slopes are numbers, not a choice between two: inductor would save the
    choice for the backward pass as booleans, and storing those makes a layer take
    eight times as long.
    """
    if x.device.type == "cpu":
        right = torch.sign(x.detach()).clamp_min(0)
        if not negative_slope:  # 0 times minus infinity would be NaN
            return x.clamp_min(torch.finfo(x.dtype).min) * right
        return x * (right + negative_slope * (1 - right))
    if not negative_slope:
        return cast(Tensor, torch.ops.aten.threshold_backward(x, x.detach(), 0))
    bent = F.leaky_relu(x.detach(), negative_slope)
    sloped: Tensor = torch.ops.aten.leaky_relu_backward(x, bent, negative_slope, True)
    return sloped


def leaky_relu(x: Tensor, negative_slope: float) -> Tensor:
    """Leaky ReLU, and ReLU with a slope of 0.

    >>> leaky_relu(torch.tensor([-2.0, 2.0]), 0.5)
    tensor([-1.,  2.])
    """
    return F.leaky_relu(x, negative_slope) if negative_slope else F.relu(x)


def times_slope(x: Tensor, bent: Tensor, negative_slope: float) -> Tensor:
    """Numbers times the slopes of a leaky ReLU, at its results ``bent``.

    >>> times_slope(torch.ones(2), torch.tensor([-1.0, 2.0]), 0.5)
    tensor([0.5000, 1.0000])
    """
    aten = torch.ops.aten
    if negative_slope:
        return cast(Tensor, aten.leaky_relu_backward(x, bent, negative_slope, True))
    return cast(Tensor, aten.threshold_backward(x, bent, 0))


class _Bend(Function):
    """Leaky ReLU; ReLU with a slope of 0. The output has the sign of the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, negative_slope: float) -> Tensor:
        bent = leaky_relu(x, negative_slope)
        ctx.save_for_backward(bent)
        ctx.negative_slope = negative_slope
        return bent

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (bent,) = ctx.saved_tensors
        return _Slope.apply(grad, bent.detach(), ctx.negative_slope), None


class _Slope(Function):
    """Backward pass of leaky ReLU; linear in the gradient, so its own derivative."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, bent: Tensor, negative_slope: float) -> Tensor:
        ctx.save_for_backward(bent)
        ctx.negative_slope = negative_slope
        return times_slope(grad, bent, negative_slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (bent,) = ctx.saved_tensors
        return _Slope.apply(grad, bent, ctx.negative_slope), None, None
