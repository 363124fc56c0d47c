"""The gradient penalty: where it is taken, towards which slope, and how often."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules import MLPCritic
from lightning_modules.core.penalty import GradientPenalty, check_penalised
from lightning_modules.core.random import RandomStream

WEIGHTS = torch.tensor([3.0, -4.0])  # norms: 7 (p = 1), 5 (p = 2), 4 (p = inf)
EVERYWHERE: list[Any] = ["lines", "data", "around_data"]


def linear(x: Tensor) -> Tensor:
    return x @ WEIGHTS


def quadratic(x: Tensor) -> Tensor:
    """Its slope at x is the length of x, so that a penalty tells where it was taken."""
    return x.square().sum(1) / 2


def samples() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.randn(6, 2, generator=g), torch.randn(6, 2, generator=g) + 3


def penalty(critic: Any, **options: Any) -> float:
    one, (real, fake) = GradientPenalty(**options), samples()
    drawn = one.draw(real, RandomStream(0, 0, "train"))
    return one(critic, real, fake, drawn).item()


@pytest.mark.parametrize("where", EVERYWHERE)
@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("slope", [0.0, 1.0, 9.0])
@pytest.mark.parametrize(("p", "norm"), [(1.0, 7.0), (2.0, 5.0), (math.inf, 4.0)])
def test_a_linear_critic_pays_its_squared_excess_slope_wherever_it_is_taken(
    where: Any, one_sided: bool, slope: float, p: float, norm: float
) -> None:
    options = {"slope": slope, "one_sided": one_sided, "norm_order": p}
    expected = 0.0 if one_sided and norm < slope else (norm - slope) ** 2
    assert penalty(linear, where=where, **options) == pytest.approx(expected)


def test_lines_run_from_real_to_fake_with_one_share_for_each_pair() -> None:
    real, fake = samples()
    e = RandomStream(0, 0, "train").uniform(6)[:, None]
    slopes = (e * real + (1 - e) * fake).norm(dim=1)
    value = penalty(quadratic, where="lines", slope=1.0)
    assert value == pytest.approx((slopes - 1).square().mean().item())


def test_at_the_data_nothing_is_drawn() -> None:
    (real, _), stream = samples(), RandomStream(0, 0, "train")
    state = stream.state
    assert len(GradientPenalty(where="data").draw(real, stream)) == 0
    assert torch.equal(stream.state, state)
    value = penalty(quadratic, where="data", slope=0.0)
    assert value == pytest.approx(real.square().sum(1).mean().item())


def test_around_the_data_each_number_moves_by_up_to_half_the_spread_of_all() -> None:
    real, _ = samples()
    uniform = RandomStream(0, 0, "train").uniform(6, 2)
    spread = (real - real.mean()).square().mean().sqrt()
    expected = (real + spread / 2 * uniform).square().sum(1).mean().item()
    value = penalty(quadratic, where="around_data", slope=0.0)
    assert value == pytest.approx(expected)


@pytest.mark.parametrize("where", EVERYWHERE)
def test_generated_samples_matter_on_lines_alone(where: Any) -> None:
    one, (real, fake) = GradientPenalty(where=where), samples()
    drawn = one.draw(real, RandomStream(0, 0, "train"))
    points = [one.points(real, other, drawn) for other in (fake, fake + 1)]
    assert torch.equal(*points) == (where != "lines")
    assert not any(x.requires_grad for x in points)


def test_every_kth_update_pays_k_times_the_weight() -> None:
    lazy = GradientPenalty(weight=2.0, every=3)
    assert [u for u in range(1, 10) if lazy.due(u)] == [3, 6, 9]
    loss, excess = torch.tensor(1.0), torch.tensor(0.5)
    assert lazy.added_to(loss, excess) == 1 + 3 * 2 * 0.5
    every = GradientPenalty(weight=2.0)
    assert all(every.due(update) for update in range(1, 10))
    assert every.added_to(loss, excess) == 1 + 2 * 0.5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"weight": -1.0}, "penalty_weight must be a finite number of at least 0"),
        ({"slope": math.inf}, "slope must be a finite number of at least 0, got inf"),
        ({"where": "lanes"}, "penalty_where must be one of lines, data, around_data"),
        ({"every": 0}, "penalty_every must be at least 1, got 0"),
        ({"norm_order": 0.5}, "norm_order must be at least 1, got 0.5"),
        ({"rescale": True}, "penalty_rescale is for a penalty on every k-th critic up"),
    ],
)
def test_what_is_out_of_range_is_named_as_the_methods_name_it(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        GradientPenalty(**options)


def test_an_optimizer_without_betas_is_not_rescaled() -> None:
    lazy, weights = GradientPenalty(every=4, rescale=True), [nn.Parameter(WEIGHTS)]
    with pytest.raises(ValueError, match="Adam's betas, which RMSprop lacks"):
        lazy.rescaled(torch.optim.RMSprop)(weights)


def test_a_schedule_starts_from_the_rescaled_rate() -> None:
    lazy = GradientPenalty(every=4, rescale=True)
    adam = lazy.rescaled(torch.optim.Adam)([nn.Parameter(WEIGHTS)])
    schedule = torch.optim.lr_scheduler.ConstantLR(adam, factor=1.0)
    assert schedule.get_last_lr() == [0.8 * 1e-3]


def test_a_critic_that_mixes_the_samples_of_a_batch_is_refused() -> None:
    check_penalised(MLPCritic((2,), norm="layer"))
    for critic in (MLPCritic((2,), norm="batch"), nn.BatchNorm2d(3)):
        with pytest.raises(
            ValueError, match="critic has BatchNorm, which mixes the sa"
        ):
            check_penalised(critic)
