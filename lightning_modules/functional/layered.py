"""Scores and gradients of critics made of layers, differentiated in one pass."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight
from typing_extensions import override

from lightning_modules.functional.piecewise import leaky_relu, times_slope

Forward = TypeVar("Forward", bound=Callable[..., Tensor])
_MARKED = set[Callable[..., Tensor]]()
Pair: TypeAlias = Sequence[Any]
"""Weight and bias of a layer, empty where it has none."""
_HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks"),
    *("_backward_hooks", "_backward_pre_hooks"),
)


def scores_of_layers(forward: Forward) -> Forward:
    """Mark a critic's ``forward``: its scores are ``self.layers(x).squeeze(-1)``.

    Where the layers allow it, `scores_and_gradients` then takes the place of two
    passes back. A subclass that overrides ``forward`` is not marked.
    """
    _MARKED.add(forward)
    return forward


def layers_of(critic: Any, points: Tensor) -> list[nn.Module] | None:
    """Layers of a critic that `scores_and_gradients` can take, or None.

    They are linear layers, convolutions, ReLUs and leaky ReLUs, as torch has them,
    without hooks, and end in a single number.

    >>> layers_of(lambda x: x[:, 0], torch.zeros(1, 2)) is None
    True
    """
    casts = torch.is_autocast_enabled(points.device.type)
    if not _is_marked(critic) or casts or torch.compiler.is_compiling():
        return None
    layers = list(critic.layers)
    watched = any(_has_hooks(one) for one in (critic, critic.layers, *layers))
    if watched or not layers or not all(_is_known(layer) for layer in layers):
        return None
    ends = isinstance(layers[-1], nn.Linear) and layers[-1].out_features == 1
    return layers if ends else None


def _is_marked(critic: Any) -> bool:
    """Whether its ``forward`` is one of `scores_of_layers`, and runs these layers."""
    if type(critic).__call__ is not nn.Module.__call__ or "forward" in vars(critic):
        return False
    return type(critic).forward in _MARKED and type(critic.layers) is nn.Sequential


def _has_hooks(module: Any) -> bool:
    return any(vars(module)[name] for name in _HOOKS)


def _is_known(layer: nn.Module) -> bool:
    if type(layer) not in _STEPS:  # a subclass may do anything
        return False
    if isinstance(layer, nn.Conv2d):
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    return not isinstance(layer, nn.LeakyReLU) or layer.negative_slope >= 0


def scores_and_gradients(
    layers: Sequence[nn.Module], points: Tensor
) -> tuple[Tensor, Tensor]:
    r"""Scores (n,) and gradients at points (n, ...), differentiable by the weights.

    With :math:`a_l = \sigma(W_l a_{l-1} + b_l)` and :math:`r_l` the gradient of a score
    by what :math:`\sigma` is taken of, a loss of both has

    .. math:: \frac{\partial L}{\partial W_l} = \sum_i r_l (s a_{l-1} + e_{l-1})^\top,
              \qquad \frac{\partial L}{\partial b_l} = \sum_i s r_l, \qquad
              e_l = \sigma' W_l e_{l-1}

    where s is its derivative by the score and :math:`e_0` that by the gradient at the
    point. As slopes of ReLUs are constants, :math:`e_l` goes forward through the
    layers, and each weight has one product for both derivatives: two thirds of the work
    of differentiating twice. It can be differentiated once, and not by the points.

    >>> layers = [nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)]
    >>> scores, gradients = scores_and_gradients(layers, torch.zeros(2, 3))
    >>> scores.shape, gradients.shape
    (torch.Size([2]), torch.Size([2, 3]))
    """
    steps = [_STEPS[type(layer)](layer) for layer in layers]
    weights = [weight for step in steps for weight in step.pair()]
    result = _Layered.apply(points, steps, *weights)
    return cast(tuple[Tensor, Tensor], result)


class _Known(NamedTuple):
    """A layer's input, output, weight and bias."""

    x: Tensor
    output: Tensor
    pair: Pair


class _Step(NamedTuple):
    """What a layer makes of values and derivatives; here of one that reshapes."""

    layer: Any

    def pair(self) -> Pair:
        """Weight and bias."""
        return ()

    def run(self, x: Tensor, pair: Pair) -> Tensor:
        """Output for an input (n, ...)."""
        del pair
        return x.flatten(1)

    def onward(self, along: Tensor, known: _Known) -> Tensor:
        """A direction (n, ...) of the input, as it leaves the layer."""
        return self.run(along, known.pair)

    def back(self, grad: Tensor, known: _Known) -> Tensor:
        """Gradient by the input, from that by the output."""
        return grad.reshape(known.x.shape)

    def by_pair(
        self,
        grad: Tensor,
        known: _Known,
        by_score: Tensor | None,
        along: Tensor | None,
    ) -> list[Tensor | None]:
        """Gradients of the loss by weight and bias, s and e being the last two."""
        del grad, known, by_score, along
        return []


class _Bend(_Step):
    """ReLU or leaky ReLU."""

    @override
    def run(self, x: Tensor, pair: Pair) -> Tensor:
        return leaky_relu(x, self._slope())

    @override
    def onward(self, along: Tensor, known: _Known) -> Tensor:
        return times_slope(along, known.output, self._slope())

    @override
    def back(self, grad: Tensor, known: _Known) -> Tensor:
        return self.onward(grad, known)

    def _slope(self) -> float:
        return self.layer.negative_slope if type(self.layer) is nn.LeakyReLU else 0.0


class _Linear(_Step):
    @override
    def pair(self) -> Pair:
        return self.layer.weight, self.layer.bias

    @override
    def run(self, x: Tensor, pair: Pair) -> Tensor:
        return F.linear(x, *pair)

    @override
    def onward(self, along: Tensor, known: _Known) -> Tensor:
        return self.run(along, [known.pair[0], None])

    @override
    def back(self, grad: Tensor, known: _Known) -> Tensor:
        return cast(Tensor, grad @ known.pair[0])

    @override
    def by_pair(
        self,
        grad: Tensor,
        known: _Known,
        by_score: Tensor | None,
        along: Tensor | None,
    ) -> list[Tensor | None]:
        by_bias = None
        if by_score is not None and known.pair[1] is not None:
            each = grad.flatten(2).sum(2) if grad.ndim > 2 else grad
            # the sum that torch takes: where scores cancel there, they do here
            by_bias = (each * by_score[:, None]).sum(0)
        return [self.by_weight(grad, _mixed(known.x, by_score, along)), by_bias]

    def by_weight(self, grad: Tensor, x: Tensor) -> Tensor:
        """Gradient by the weight, for an input."""
        return grad.T @ x


class _Conv(_Linear):
    @override
    def run(self, x: Tensor, pair: Pair) -> Tensor:
        return F.conv2d(x, *pair, *self._options())

    @override
    def back(self, grad: Tensor, known: _Known) -> Tensor:
        shape, weight = known.x.shape, known.pair[0]
        found: Tensor = conv2d_input(  # type: ignore[no-untyped-call]
            shape, weight, grad, *self._options()
        )
        return found

    @override
    def by_weight(self, grad: Tensor, x: Tensor) -> Tensor:
        shape = self.layer.weight.shape
        found: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
            x, shape, grad, *self._options()
        )
        return found

    def _options(self) -> tuple[Any, ...]:
        one = self.layer
        return one.stride, one.padding, one.dilation, one.groups


_STEPS: dict[type, type[_Step]] = {
    nn.Flatten: _Step,
    nn.ReLU: _Bend,
    nn.LeakyReLU: _Bend,
    nn.Linear: _Linear,
    nn.Conv2d: _Conv,
}


class _Layered(torch.autograd.Function):
    """`scores_and_gradients`."""

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, steps: Sequence[_Step], *weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        rest, layers, x = iter(weights), list[_Known](), points
        for step in steps:
            pair = [next(rest) for _ in step.pair()]
            layers.append(_Known(x, x := step.run(x, pair), pair))
        grads = [torch.ones_like(x)]
        for step, known in zip(steps[::-1], layers[::-1], strict=True):
            grads.append(step.back(grads[-1], known))
        ctx.save_for_backward(*weights)
        ctx.set_materialize_grads(False)
        ctx.parts = steps, layers, grads[-2::-1]
        return x.squeeze(-1), grads[-1]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(
        ctx: Any, by_score: Tensor | None, along: Tensor | None
    ) -> tuple[Any, ...]:
        _ = ctx.saved_tensors  # refuses weights that were changed in place
        found = list[Tensor | None]()
        for step, known, grad in zip(*ctx.parts, strict=True):
            found += step.by_pair(grad, known, by_score, along)
            if along is not None and step is not ctx.parts[0][-1]:
                along = step.onward(along, known)
        return None, None, *found


def _mixed(x: Tensor, by_score: Tensor | None, along: Tensor | None) -> Tensor:
    """What a weight's product takes: s a + e of `scores_and_gradients`."""
    if by_score is None:
        return torch.zeros_like(x) if along is None else along
    share = by_score.reshape(-1, *[1] * (x.ndim - 1))
    return x * share if along is None else torch.addcmul(along, x, share)
