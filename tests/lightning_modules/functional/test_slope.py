import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_modules.functional.lipschitz import gradient_norm
from lightning_modules.functional.slope import (
    estimate_on_plan,
    slope_on_plan,
)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 4, 4)])
def test_slope_of_a_linear_critic_is_the_norm_of_its_weight(
    shape: tuple[int, ...],
) -> None:
    w = numbers(*shape)
    real, fake = numbers(7, *shape, seed=1), numbers(7, *shape, seed=2)
    slope = slope_on_plan(
        lambda x: (x * w).flatten(1).sum(1), real, fake, torch.rand(7)
    )
    assert slope == pytest.approx(float(w.norm()), rel=1e-5)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_between_two_point_masses_any_slope_along_the_line_gives_their_distance(
    scale: float,
) -> None:
    real, fake = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
    u = torch.tensor([0.6, 0.8])
    estimate = estimate_on_plan(
        lambda x: scale * (x @ u), real, fake, torch.tensor([0.3])
    )
    assert estimate.per_slope == pytest.approx(5.0, rel=1e-5)
    assert estimate.slope == pytest.approx(scale, rel=1e-4)
    assert estimate.exact == pytest.approx(5.0)


def test_a_gradient_across_the_line_estimates_less_than_the_distance() -> None:
    real, fake = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
    estimate = estimate_on_plan(lambda x: 9 * x[:, 0], real, fake, torch.tensor([0.5]))
    assert estimate.per_slope == pytest.approx(3.0)  # 5 cos(angle)


def test_a_flat_critic_estimates_nothing() -> None:
    estimate = estimate_on_plan(
        lambda x: 0 * x[:, 0], numbers(4, 2), numbers(4, 2, seed=1), torch.rand(4)
    )
    assert [float(value) for value in estimate[:3]] == [0, 0, 0]


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 3))
def test_the_estimate_is_never_above_the_largest_slope_times_the_distance(
    seed: int, n: int, dimensions: int
) -> None:
    # Steep waves, which one random point a line would often miss.
    def critic(x: Tensor) -> Tensor:
        return torch.sin(20 * x).sum(1) + x[:, 0].sign()

    real, fake = (
        numbers(n, dimensions, seed=seed),
        numbers(n, dimensions, seed=seed + 1),
    )
    epsilon = numbers(n, seed=seed + 2).sigmoid()
    found = estimate_on_plan(critic, real, fake, epsilon)
    assert abs(found.raw) <= found.lipschitz * found.exact * (1 + 1e-4) + 1e-6


def test_samples_that_met_their_like_do_not_count_into_the_slope() -> None:
    real = torch.tensor([[0.0], [10.0]])
    fake = torch.tensor([[0.0], [12.0]])

    def critic(x: Tensor) -> Tensor:
        return torch.where(x < 5, 100 * x, -2 * x)[:, 0]

    found = estimate_on_plan(critic, real, fake, torch.rand(2))
    assert float(found.slope) == 2
    same = estimate_on_plan(critic, real, real, torch.rand(2))
    assert [float(value) for value in same[:4]] == [0, 0, 0, 0]


def test_the_order_of_the_samples_changes_only_which_points_are_probed() -> None:
    real, fake = numbers(9, 2), numbers(9, 2, seed=1) + 2
    w = torch.tensor([1.0, -2.0])
    one = estimate_on_plan(lambda x: x @ w, real, fake, torch.full((9,), 0.5))
    other = estimate_on_plan(lambda x: x @ w, real.flip(0), fake, torch.full((9,), 0.5))
    torch.testing.assert_close(one, other)


def test_points_are_probed_on_the_lines_of_the_plan_and_nowhere_else() -> None:
    # Partners are neighbours; a plan by index would probe around x = 50.
    real = torch.tensor([[0.0], [100.0]])
    fake = torch.tensor([[101.0], [1.0]])
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x[:, 0]

    estimate_on_plan(critic, real, fake, torch.tensor([0.25, 0.25]))
    assert sorted(seen[0].flatten().tolist()) == [0.75, 100.75]


def test_measuring_leaves_no_gradient_in_the_critic() -> None:
    critic = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0))
    estimate = estimate_on_plan(critic, numbers(4, 2), numbers(4, 2), torch.rand(4))
    assert all(weight.grad is None for weight in critic.parameters())
    assert not any(value.requires_grad for value in estimate)


def test_very_small_slopes_are_not_rounded_up() -> None:
    norms = gradient_norm(lambda x: 1e-25 * x[:, 0], torch.zeros(3, 2))
    torch.testing.assert_close(norms, torch.full((3,), 1e-25), rtol=1e-5, atol=0)


def test_samples_of_different_shape_are_refused() -> None:
    # Sets of different size don't even pass the shapes of the signature here.
    with pytest.raises(ValueError, match=r"real has shape \(3, 2\), fake \(3, 1\)"):
        estimate_on_plan(lambda x: x[:, 0], numbers(3, 2), numbers(3, 1), torch.rand(3))


def test_numbers_are_points_on_a_line() -> None:
    real, fake, epsilon = torch.rand(3, 6)
    numbers = estimate_on_plan(lambda x: x**2, real, fake + 1, epsilon)
    points = estimate_on_plan(
        lambda x: x[:, 0] ** 2, real[:, None], fake[:, None] + 1, epsilon
    )
    torch.testing.assert_close(numbers, points)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_samples_in_half_precision_are_scored_in_single(dtype: torch.dtype) -> None:
    """1000 times 100 is beyond float16, and 1/256 is lost beside 100 in bfloat16."""
    real, fake = torch.tensor([[100.0]]).to(dtype), torch.zeros(1, 1, dtype=dtype)
    found = estimate_on_plan(lambda x: 1000 * x[:, 0], real, fake, torch.rand(1))
    assert [float(one) for one in found] == [1000, 100_000, 100, 100, 1000]
    assert {one.dtype for one in found} == {torch.float32}


def test_a_critic_under_autocast_is_measured_in_its_own_precision() -> None:
    critic = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    data = numbers(5, 3, seed=1), numbers(5, 3, seed=2), torch.rand(5)
    expected = estimate_on_plan(critic, *data)
    with torch.autocast("cpu", torch.bfloat16):
        found = estimate_on_plan(critic, *data)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_pairs_that_coincide_have_neither_slope_nor_rise() -> None:
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [3.0]])
    found = estimate_on_plan(lambda x: -x[:, 0] / 2, real, fake, torch.rand(2))
    assert [float(one) for one in found] == [0.5, 0.5, 1.0, 1.0, 0.5]
