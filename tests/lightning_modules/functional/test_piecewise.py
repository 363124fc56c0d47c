"""Penalties of piecewise linear critics: the same numbers for less work."""

from collections.abc import Callable
from typing import Any, Literal, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_modules import ConvCritic, MLPCritic, ResNetCritic
from lightning_modules.functional.lipschitz import scores_and_slopes
from lightning_modules.functional.piecewise import PiecewiseLinear, _bend

Layer = Callable[[Tensor], Tensor]


def plain_penalty(critic: nn.Module, x: Tensor) -> Tensor:
    """The penalty as torch differentiates it."""
    points = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()


def our_penalty(critic: nn.Module, x: Tensor) -> Tensor:
    slopes = scores_and_slopes(critic, x, create_graph=True)[1]
    return (slopes - 1).square().mean()


def gradients(loss: Tensor, critic: nn.Module) -> list[Tensor]:
    found = torch.autograd.grad(
        loss, list(critic.parameters()), allow_unused=True, materialize_grads=True
    )
    return list(found)


class Chain(nn.Module):
    """Layers of one's own between linear maps."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 1)
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.last(self.layer(self.first(x)))).squeeze(1)


CRITICS: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    "relu": lambda: (MLPCritic((6,)), (6,)),
    "leaky_relu": lambda: (MLPCritic((6,), activation="leaky_relu"), (6,)),
    "tanh": lambda: (MLPCritic((6,), activation="tanh"), (6,)),
    "conv": lambda: (ConvCritic((1, 8, 8)), (1, 8, 8)),
    "conv, layer norm": lambda: (ConvCritic((1, 8, 8), norm="layer"), (1, 8, 8)),
    "resnet": lambda: (ResNetCritic((3, 8, 8)), (3, 8, 8)),
    "torch.relu": lambda: (Chain(torch.relu), (6,)),
    "Tensor.relu": lambda: (Chain(lambda x: x.relu()), (6,)),
    "by name": lambda: (Chain(lambda x: F.relu(inplace=False, input=x)), (6,)),
    "in place": lambda: (Chain(nn.ReLU(inplace=True)), (6,)),
    "in place, by name": lambda: (Chain(lambda x: F.leaky_relu(x, inplace=True)), (6,)),
    "negative slope": lambda: (Chain(lambda x: F.leaky_relu(x, -0.5)), (6,)),
    "used in place": lambda: (Chain(lambda x: x + nn.ReLU(inplace=True)(x)), (6,)),
    "both slopes": lambda: (Chain(lambda x: F.leaky_relu(x.relu(), 0.3)), (6,)),
}


@pytest.mark.parametrize("name", CRITICS)
def test_the_penalty_and_its_gradient_are_those_of_torch_to_the_last_bit(
    name: str,
) -> None:
    torch.manual_seed(0)
    critic, shape = CRITICS[name]()
    x = torch.randn(9, *shape)
    plain, ours = plain_penalty(critic, x), our_penalty(critic, x)
    assert torch.equal(plain, ours)
    for one, other in zip(
        gradients(plain, critic), gradients(ours, critic), strict=True
    ):
        assert torch.equal(one, other)


def test_scores_keep_their_gradients() -> None:
    torch.manual_seed(0)
    critic, x = MLPCritic((6,), activation="leaky_relu"), torch.randn(9, 6)
    ours = scores_and_slopes(critic, x, create_graph=True)[0]
    for one, other in zip(
        gradients(critic(x).sum(), critic), gradients(ours.sum(), critic), strict=True
    ):
        assert torch.equal(one, other)


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts matrix products."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.n = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.n += func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_zeros_are_not_carried_back_through_the_layers(
    activation: Literal["relu", "leaky_relu"],
) -> None:
    critic, x = MLPCritic((8,), (8, 8, 8), activation=activation), torch.randn(4, 8)
    work = {}
    for penalty in (plain_penalty, our_penalty):
        with Products() as products:
            gradients(penalty(critic, x), critic)
        work[penalty] = products.n
    # Four layers: scores, slopes, and for each slope its weights and what it came from
    # (the first is a constant, as is the width of the points).
    assert work[our_penalty] == 4 + 4 + 4 + 3
    assert work[plain_penalty] > work[our_penalty] + 4


@pytest.mark.parametrize("negative_slope", [0.0, 0.2])
def test_what_is_compiled_is_a_relu_at_infinity_too(negative_slope: float) -> None:
    x = torch.tensor([-torch.inf, -1.0, -0.0, 0.0, 2.0, torch.inf], requires_grad=True)
    found = []
    for unit in (F.leaky_relu, _bend):
        value = unit(x, negative_slope) if negative_slope or unit is _bend else x.relu()
        (slope,) = torch.autograd.grad(value.sum(), x)
        found.append((value, slope))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_third_derivatives_are_zero_and_not_an_error() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    with PiecewiseLinear():
        y = (F.leaky_relu(x, 0.5) ** 3).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    # y = x^3 above 0 and x^3 / 8 below.
    assert torch.allclose(third, torch.tensor([0.75, 6.0]))
