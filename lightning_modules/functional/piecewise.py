"""Second derivatives of piecewise linear layers, which are nothing and cost nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class PiecewiseLinear(TorchFunctionMode):
    r"""Within the block the slopes of ReLU and leaky ReLU are constants.

    They are constants almost everywhere, but torch differentiates a slope into a tensor
    of zeros, and then carries these zeros back through the layers before: a third of
    what the second derivative of a multilayer perceptron costs. Values and gradients
    are the same to the last bit, except that weights which only zeros would reach (the
    biases, if no other layer bends) get no gradient instead of zeros.

    Layers that write into their input (``inplace=True``) and scripted code are left
    alone, and cost what they did.

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
        """Put our layer in torch's place."""
        read = _READ.get(func)
        bend = read(*args, **(kwargs or {})) if read else None
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


# What is bent, and the slope of its left half, from the arguments of torch's functions.
_READ: dict[Callable[..., Any], Callable[..., Bend]] = {
    F.relu: _relu,
    torch.relu: _relu,
    Tensor.relu: _relu,
    F.leaky_relu: _leaky_relu,
}


def _bend(x: Tensor, negative_slope: float) -> Tensor:
    """The same of operations that the compiler knows.

    On a CPU the slopes are numbers, not a choice between two: inductor would keep the
    choice for the backward pass as truth values, and storing those makes a layer take
    eight times as long.
    """
    if x.device.type == "cpu":
        right = torch.sign(x.detach()).clamp_min(0)
        return x * (right + negative_slope * (1 - right))
    bent = F.leaky_relu(x.detach(), negative_slope)
    sloped: Tensor = torch.ops.aten.leaky_relu_backward(x, bent, negative_slope, True)
    return sloped


class _Bend(Function):
    """Leaky ReLU; ReLU with a slope of 0. Its sign is kept by what comes out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, negative_slope: float) -> Tensor:
        bent = F.leaky_relu(x, negative_slope) if negative_slope else F.relu(x)
        ctx.save_for_backward(bent)
        ctx.negative_slope = negative_slope
        return bent

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (bent,) = ctx.saved_tensors
        return _Slope.apply(grad, bent.detach(), ctx.negative_slope), None


class _Slope(Function):
    """What leaky ReLU does to a gradient; linear in it, so its own gradient."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, bent: Tensor, negative_slope: float) -> Tensor:
        ctx.save_for_backward(bent)
        ctx.negative_slope = negative_slope
        sloped: Tensor
        if negative_slope:
            options = negative_slope, True
            sloped = torch.ops.aten.leaky_relu_backward(grad, bent, *options)
        else:
            sloped = torch.ops.aten.threshold_backward(grad, bent, 0)
        return sloped

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (bent,) = ctx.saved_tensors
        return _Slope.apply(grad, bent, ctx.negative_slope), None, None
