"""Penalty and clipping against closed forms; most published bugs fail here."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_modules import ConvCritic
from lightning_modules.functional.lipschitz import (
    clip_weights_,
    gradient_norm,
    gradient_penalty,
    interpolate,
)

SHAPES = [(1,), (7,), (3, 4), (3, 8, 8)]


class Linear(nn.Module):
    """f(x) = <w, x> with a direction of the given Euclidean length."""

    def __init__(self, shape: tuple[int, ...], slope: float) -> None:
        super().__init__()
        w = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        self.w = nn.Parameter(slope * w / w.norm())

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


def penalty(
    critic: nn.Module, shape: tuple[int, ...], n: int = 5, **kw: float
) -> Tensor:
    g = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, *shape, generator=g) for _ in range(2))
    return gradient_penalty(critic, real, fake, torch.rand(n, generator=g), **kw)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 2, 16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
def test_penalty_of_a_linear_critic_is_its_squared_excess_slope(
    slope: float, shape: tuple[int, ...], n: int
) -> None:
    value = penalty(Linear(shape, slope), shape, n).item()
    assert value == pytest.approx((slope - 1) ** 2, abs=5e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_neither_overflows_nor_loses_the_penalty(
    dtype: torch.dtype,
) -> None:
    x = torch.zeros(3, 2, dtype=dtype)
    epsilon = torch.rand(3, dtype=dtype)
    steep = gradient_penalty(lambda x: 1000 * x[:, 0], x, x, epsilon)
    assert steep.item() == pytest.approx(999**2, rel=1e-2)  # above float16's largest
    flat = gradient_norm(lambda x: 1e-4 * x[:, 0], x, create_graph=True)
    assert flat[0].item() == pytest.approx(1e-4, rel=1e-2)  # its square is lost in half


@pytest.mark.parametrize("slope", [0.5, 3.0])
def test_one_sided_penalty_spares_gentle_slopes(slope: float) -> None:
    value = penalty(Linear((4,), slope), (4,), one_sided=True).item()
    assert value == pytest.approx(max(slope - 1, 0) ** 2, abs=1e-5)


def test_penalty_pulls_towards_the_target_slope() -> None:
    assert penalty(Linear((4,), 3.0), (4,), slope=3.0).item() < 1e-9
    assert penalty(Linear((4,), 3.0), (4,), slope=5.0).item() == pytest.approx(
        4, rel=1e-4
    )


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("slope", [2.0, 1e-3])
@pytest.mark.parametrize("order", [1.0, 1.5, 2.0, 3.0, 32.0, float("inf")])
def test_gradient_norm_is_the_p_norm_of_a_linear_critics_weights(
    order: float, slope: float, graph: bool
) -> None:
    critic = Linear((3, 4, 4), slope)
    x = torch.zeros(2, 3, 4, 4)
    norms = gradient_norm(critic, x, norm_order=order, create_graph=graph).detach()
    expected = torch.linalg.vector_norm(critic.w.detach().double().flatten(), order)
    torch.testing.assert_close(norms, expected.float().expand(2))


def test_gradient_norm_of_a_quadratic_is_the_distance_from_its_centre() -> None:
    x = torch.randn(6, 2, 3)
    norms = gradient_norm(lambda p: p.square().flatten(1).sum(1) / 2, x)
    torch.testing.assert_close(norms, x.flatten(1).norm(dim=1))


def test_penalty_gradient_agrees_with_finite_differences() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0))
    critic.double()
    real, fake, epsilon = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4)
    weight = next(critic.parameters())

    def value() -> Tensor:
        return gradient_penalty(critic, real.double(), fake.double(), epsilon.double())

    (slope,) = torch.autograd.grad(value(), weight)
    step = 1e-6
    with torch.no_grad():
        weight[2, 1] += step
        above = value()
        weight[2, 1] -= 2 * step
        below = value()
    assert ((above - below) / (2 * step)).item() == pytest.approx(
        slope[2, 1].item(), rel=1e-5
    )


def test_penalty_has_finite_gradients_where_the_critic_is_flat() -> None:
    critic = Linear((4,), 0.0)
    penalty(critic, (4,)).backward()  # type: ignore[no-untyped-call]
    assert critic.w.grad is not None
    assert torch.isfinite(critic.w.grad).all()


@given(st.floats(0, 1, width=32))
def test_interpolates_lie_where_epsilon_says(epsilon: float) -> None:
    real, fake = torch.ones(1, 2, 2), -torch.ones(1, 2, 2)
    points = interpolate(real, fake, torch.tensor([epsilon]))
    torch.testing.assert_close(points, torch.full((1, 2, 2), 2 * epsilon - 1))


def test_every_sample_has_its_own_epsilon() -> None:
    epsilon = torch.tensor([0.0, 0.25, 1.0])
    points = interpolate(torch.ones(3, 2, 2), torch.zeros(3, 2, 2), epsilon)
    torch.testing.assert_close(points, epsilon.reshape(3, 1, 1).expand(3, 2, 2))


def test_penalty_sends_no_gradient_to_the_samples() -> None:
    real = torch.randn(3, 4, requires_grad=True)
    fake = torch.randn(3, 4, requires_grad=True)
    critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0))
    gradient_penalty(critic, real, fake, torch.rand(3)).backward()  # type: ignore[no-untyped-call]
    assert real.grad is None
    assert fake.grad is None


def test_penalty_is_float32_under_bfloat16_autocast() -> None:
    critic = ConvCritic((1, 8, 8), width=4)
    exact = penalty(critic, (1, 8, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = penalty(critic, (1, 8, 8))
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, exact)


@pytest.mark.parametrize(
    ("real", "fake", "epsilon"),
    [((4, 2), (3, 2), (4,)), ((4, 2), (4, 2), (1,)), ((4, 2), (4, 2), (4, 1))],
)
def test_unpaired_shapes_are_refused(
    real: tuple[int, ...], fake: tuple[int, ...], epsilon: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="Pairs need"):
        interpolate(torch.zeros(real), torch.zeros(fake), torch.zeros(epsilon))


def test_a_critic_that_returns_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="one score per sample"):
        gradient_norm(nn.Linear(2, 1), torch.zeros(3, 2))


@given(st.lists(st.floats(-1, 1, width=32), min_size=1), st.floats(0.001, 0.5))
def test_clipping_leaves_small_weights_and_bounds_the_others(
    values: list[float], bound: float
) -> None:
    weight = torch.tensor(values)
    clipped = weight.clone()
    clip_weights_([clipped], bound)
    inside = weight.abs() <= bound
    assert torch.equal(clipped[inside], weight[inside])
    assert torch.equal(clipped[~inside], bound * weight[~inside].sign())


def test_clipping_twice_is_clipping_once_and_a_wider_bound_clips_less() -> None:
    weight = torch.randn(100)
    results = []
    for bound in (0.1, 0.5, 1.0):
        once = weight.clone()
        clip_weights_([once], bound)
        twice = once.clone()
        clip_weights_([twice], bound)
        assert torch.equal(once, twice)
        results.append((once - weight).abs().sum())
    assert all(narrow > wide for narrow, wide in pairwise(results))


class Attending(nn.Module):
    """Attention over the points of a sequence, by torch's fused kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.out = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.query(x)[:, None]
        h = nn.functional.scaled_dot_product_attention(h, h, h)
        return self.out(h[:, 0].mean(1)).flatten()  # type: ignore[no-any-return]


def weight_gradients(critic: Any, weights: nn.Module) -> list[Tensor]:
    """Gradients of the penalty, which take a second derivative of the critic."""
    real = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0))
    loss = gradient_penalty(critic, real, real + 1, torch.linspace(0, 1, 6))
    return list(torch.autograd.grad(loss, list(weights.parameters())[:3]))


def test_the_penalty_differentiates_through_attention() -> None:
    critic = Attending()
    gradients = weight_gradients(critic, critic)
    assert gradients
    step = 1e-3
    weight = critic.out.weight
    before = weight.detach().clone()
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[0, 0] = before[0, 0] + sign * step
        real = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0))
        epsilon = torch.linspace(0, 1, 6)
        values.append(gradient_penalty(critic, real, real + 1, epsilon).item())
        with torch.no_grad():
            weight.copy_(before)
    slope = (values[0] - values[1]) / (2 * step)
    index = [n for n, _ in critic.named_parameters()].index("out.weight")
    assert gradients[index][0, 0].item() == pytest.approx(slope, rel=2e-2, abs=1e-3)


def test_the_penalty_of_a_compiled_critic_is_that_of_the_plain_one() -> None:
    plain = Attending()
    compiled = torch.compile(plain, backend="aot_eager")
    compiled(torch.randn(6, 5, 4))  # compiled before the penalty meets it
    expected = weight_gradients(plain, plain)
    found = weight_gradients(compiled, plain)
    assert len(found) == len(expected)
    for mine, its in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, its)


def test_the_penalty_of_numbers_is_that_of_points_on_a_line() -> None:
    x, y, epsilon = torch.randn(3, 5)
    on_a_line = gradient_penalty(
        lambda z: z[:, 0].square(), x[:, None], y[:, None], epsilon.abs()
    )
    numbers = gradient_penalty(lambda z: z.square(), x, y, epsilon.abs())
    assert torch.equal(numbers, on_a_line)


@pytest.mark.parametrize("bound", [0.01, 0.3])
def test_a_clipped_critic_is_lipschitz(bound: float) -> None:
    """Eq. 33: the slope is at most the product of the layers' spectral norms."""
    critic = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
    with torch.no_grad():
        clip_weights_(critic.parameters(), bound)
    k = bound * 24**0.5 * bound * 8**0.5  # norms of matrices of entries up to the bound
    x, y = torch.randn(2, 200, 3, dtype=torch.float64)
    with torch.no_grad():
        rise = (critic.double()(x) - critic(y)).abs()
    assert (rise <= (1 + 1e-6) * k * (x - y).norm(dim=1)).all()


def test_points_on_lines_carry_no_graph_of_either_end() -> None:
    real, fake = (torch.randn(3, 2, requires_grad=True) for _ in range(2))
    assert not interpolate(real, fake, torch.rand(3)).requires_grad


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
def test_the_penalty_is_of_the_norm_that_was_asked_for(order: float) -> None:
    critic, x = Linear((4,), 2.0), torch.randn(3, 4)
    found = gradient_penalty(critic, x, x + 1, torch.rand(3), norm_order=order)
    length = float(torch.linalg.vector_norm(critic.w.detach(), order))
    assert float(found.detach()) == pytest.approx((length - 1) ** 2, rel=1e-4)


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
def test_a_flat_critic_pays_the_whole_slope_and_has_a_gradient(order: float) -> None:
    critic, x = Linear((3,), 1.0), torch.randn(4, 3)
    with torch.no_grad():
        critic.w.zero_()
    found = gradient_penalty(critic, x, x + 1, torch.rand(4), norm_order=order)
    found.backward()  # type: ignore[no-untyped-call]
    assert float(found.detach()) == pytest.approx(1, abs=1e-4)
    assert critic.w.grad is not None
    assert critic.w.grad.isfinite().all()
