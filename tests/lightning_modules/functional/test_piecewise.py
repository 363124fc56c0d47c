"""Penalties of piecewise linear critics: the same numbers for less work."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_modules import ConvCritic, MLPCritic, ResNetCritic
from lightning_modules.functional.layered import layers_of
from lightning_modules.functional.lipschitz import scores_and_slopes
from lightning_modules.functional.piecewise import PiecewiseLinear, _bend

Layer = Callable[[Tensor], Tensor]


def plain_penalty(critic: nn.Module, x: Tensor) -> Tensor:
    """The penalty as torch differentiates it."""
    points = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    return ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()


def our_penalty(critic: nn.Module, x: Tensor) -> Tensor:
    """In `PiecewiseLinear`, as no function has known layers."""
    slopes = scores_and_slopes(lambda x: critic(x), x, create_graph=True)[1]
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
    ours = scores_and_slopes(lambda x: critic(x), x, create_graph=True)[0]
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


# Known layers: both derivatives of a weight in one product ----------------------------


def joint_loss(scores: Tensor, slopes: Tensor) -> Tensor:
    """Of scores and slopes, each with a weight of its own."""
    weights = torch.linspace(-1, 2, len(scores), dtype=scores.dtype)
    return (weights * scores).sum() + (slopes - 1).square().mean()


def both_ways(critic: nn.Module) -> list[Layer]:
    """With known layers, and as a function without."""
    return [critic, lambda x: critic(x)]


def layered(*layers: nn.Module) -> nn.Module:
    critic = MLPCritic((6,), (1,))
    critic.layers = nn.Sequential(*layers)
    return critic


KNOWN: dict[str, Callable[[], tuple[nn.Module, tuple[int, ...]]]] = {
    "relu": lambda: (MLPCritic((6,), (8, 7)), (6,)),
    "leaky_relu": lambda: (MLPCritic((2, 3), (8,), activation="leaky_relu"), (2, 3)),
    "linear": lambda: (MLPCritic((6,), ()), (6,)),
    "conv": lambda: (ConvCritic((1, 8, 8), 4), (1, 8, 8)),
    "conv, relu": lambda: (ConvCritic((3, 8, 8), 4, activation="relu"), (3, 8, 8)),
    "conv of all options, no biases": lambda: (
        layered(
            nn.Conv2d(2, 4, 3, stride=2, padding=(2, 1), groups=2, bias=False),
            nn.LeakyReLU(0.3),
            nn.Conv2d(4, 6, 3, dilation=2, padding=2),
            nn.Flatten(),
            nn.ReLU(),
            nn.Linear(6 * 6 * 5, 1, bias=False),
        ),
        (2, 9, 10),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_layers_give_what_differentiating_twice_gives(name: str) -> None:
    torch.manual_seed(0)
    critic, shape = KNOWN[name]()
    critic, x = critic.double(), torch.randn(9, *shape, dtype=torch.double)
    assert layers_of(critic, x)
    losses = [
        joint_loss(*scores_and_slopes(way, x, create_graph=True))
        for way in both_ways(critic)
    ]
    torch.testing.assert_close(*losses)
    ours, plain = (gradients(loss, critic) for loss in losses)
    assert any(grad.abs().max() > 0.1 for grad in plain)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("used", ["scores", "slopes"])
def test_either_result_alone_has_its_gradient(used: str) -> None:
    torch.manual_seed(0)
    critic, x = MLPCritic((6,), (8, 7)).double(), torch.randn(9, 6).double()
    losses = []
    for way in both_ways(critic):
        scores, slopes = scores_and_slopes(way, x, create_graph=True)
        losses.append((scores if used == "scores" else slopes).square().sum())
    for one, other in zip(*(gradients(loss, critic) for loss in losses), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [3, 5, 7, 16, 32, 100])
def test_scores_cancel_in_the_last_bias_as_far_as_they_do_for_torch(n: int) -> None:
    torch.manual_seed(0)
    critic, x = MLPCritic((3,), (4,)), torch.randn(2 * n, 3)
    rests = []
    for way in both_ways(critic):
        scores, _ = scores_and_slopes(way, x, create_graph=True)
        gap = scores[:n].mean() - scores[n:].mean()
        rests.append(gradients(gap, critic)[-1])
    assert torch.equal(*rests)


@given(
    widths=st.lists(st.integers(1, 5), max_size=3),
    columns=st.integers(1, 4),
    slope=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 99),
)
def test_the_slope_of_any_known_critic_is_that_of_differences(
    widths: list[int], columns: int, slope: float, seed: int
) -> None:
    torch.manual_seed(seed)
    sizes = [columns, *widths, 1]
    layers = [
        part
        for wide, narrow in pairwise(sizes)
        for part in (nn.Linear(wide, narrow), nn.LeakyReLU(slope))
    ]
    critic = layered(*layers[:-1]).double()
    x, step = torch.randn(5, columns).double(), 1e-7
    with torch.no_grad():
        rises = [
            (critic(x + step * axis) - critic(x - step * axis)) / (2 * step)
            for axis in torch.eye(columns).double()
        ]
    found = scores_and_slopes(critic, x, create_graph=True)[1].detach()
    expected = (torch.stack(rises).square().sum(0) + 1e-12).sqrt()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_known_layers_take_four_products_each(
    activation: Literal["relu", "leaky_relu"],
) -> None:
    critic, x = MLPCritic((8,), (8, 8, 8), activation=activation), torch.randn(4, 8)
    with Products() as products:
        gradients(joint_loss(*scores_and_slopes(critic, x, create_graph=True)), critic)
    # Four layers: scores, slopes, directions but for the last, and weights; the biases'
    # are products with a vector.
    assert products.n == 4 + 4 + 3 + 4


class Odd(MLPCritic):
    """Scores of its own."""

    def forward(self, x: Tensor) -> Tensor:
        """Twice as large."""
        return 2 * super().forward(x)


def hooked(part: Callable[[Any], nn.Module]) -> nn.Module:
    critic = MLPCritic((6,), (4,))
    part(critic).register_forward_hook(lambda *_: None)
    return critic


def swapped(critic: nn.Module) -> nn.Module:
    critic.forward = lambda x: x.sum(1)
    return critic


class Twice(nn.Sequential):
    """A container that does more than to run its layers."""

    def forward(self, x: Any) -> Any:
        """Twice as large."""
        return 2 * super().forward(x)  # type: ignore[no-untyped-call]


def contained(critic: MLPCritic) -> nn.Module:
    critic.layers = Twice(*critic.layers)
    return critic


UNKNOWN: dict[str, Callable[[], nn.Module]] = {
    "another forward": lambda: Odd((6,), (4,)),
    "another forward of this one": lambda: swapped(MLPCritic((6,), (4,))),
    "another container": lambda: contained(MLPCritic((6,), (4,))),
    "tanh": lambda: MLPCritic((6,), (4,), activation="tanh"),
    "layer norm": lambda: MLPCritic((6,), (4,), norm="layer"),
    "hook of the critic": lambda: hooked(lambda critic: critic),
    "hook of the layers": lambda: hooked(lambda critic: critic.layers),
    "hook of a layer": lambda: hooked(lambda critic: critic.layers[1]),
    "spectral norm": lambda: layered(spectral_norm(nn.Linear(6, 1))),
    "compiled": lambda: cast(nn.Module, torch.compile(MLPCritic((6,), (4,)))),
    "dropout": lambda: layered(nn.Linear(6, 4), nn.Dropout(), nn.Linear(4, 1)),
    "a slope below 0": lambda: layered(nn.LeakyReLU(-0.5), nn.Linear(6, 1)),
    "flat from the second axis": lambda: layered(nn.Flatten(2), nn.Linear(6, 1)),
    "a layer of a kind of its own": lambda: layered(
        NonDynamicallyQuantizableLinear(6, 1)
    ),
    "several outputs": lambda: layered(nn.Linear(6, 3)),
    "an end that is bent": lambda: layered(nn.Linear(6, 1), nn.ReLU()),
    "reflecting": lambda: layered(
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), nn.Linear(6, 1)
    ),
    "padding by name": lambda: layered(
        nn.Conv2d(1, 1, 3, padding="same"), nn.Linear(6, 1)
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_critics_are_differentiated_by_torch(name: str) -> None:
    assert layers_of(UNKNOWN[name](), torch.zeros(2, 6)) is None


def test_half_precision_is_left_to_autocast() -> None:
    with torch.autocast("cpu"):
        assert layers_of(MLPCritic((6,), (4,)), torch.zeros(2, 6)) is None


def test_weights_that_were_changed_in_between_are_refused() -> None:
    critic = MLPCritic((6,), (4,))
    scores, slopes = scores_and_slopes(critic, torch.randn(3, 6), create_graph=True)
    with torch.no_grad():
        next(critic.parameters()).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gradients(joint_loss(scores, slopes), critic)


def test_a_critic_without_one_score_for_each_point_is_refused() -> None:
    critic = layered(nn.Linear(6, 1))
    with pytest.raises(ValueError, match=r"one score per sample, shape \(2,\)"):
        scores_and_slopes(critic, torch.zeros(2, 3, 6), create_graph=True)


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
