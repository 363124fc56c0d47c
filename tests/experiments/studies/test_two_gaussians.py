"""Critics trained against a frozen generator, as docs/theory.md says they come out."""

from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.studies import critics
from experiments.studies.files import settings_of
from experiments.studies.two_gaussians import _trained
from lightning_modules import MLPCritic
from lightning_modules.core.random import RandomStream
from lightning_modules.functional.lipschitz import gradient_norm, interpolate
from lightning_modules.functional.transport import optimal_pairs


def trained(method: str, shift: float, **settings: Any) -> dict[str, float]:
    options = [f"--{key}={value}" for key, value in settings.items()]
    few = settings_of("two_gaussians", ["--steps=400", *options])
    row = _trained(few, method, shift, 64, 0)
    return {key: float(value) for key, value in row.items() if key != "method"}


@pytest.mark.parametrize("shift", [1.0, 3.0, 10.0])
def test_wgan_gp_overshoots_as_the_penalised_problem_says_and_its_slope_undoes_it(
    shift: float,
) -> None:
    row = trained("wgan_gp", shift)
    assert row["estimate"] == pytest.approx(shift * (1 + shift / 20), rel=0.05)
    assert row["per_slope"] == pytest.approx(shift, rel=0.05)


def test_a_trained_critic_has_its_optimal_slope_on_nearly_all_lines_of_the_plan() -> (
    None
):
    """The proposition under eq. 36, line by line, for a penalty that hardly gives."""
    noise, shift, weight = RandomStream(0, 0, "lines"), 3.0, 100.0

    def pairs(n: int = 256) -> tuple[Tensor, Tensor]:
        return noise.normal(n, 2) + torch.tensor([shift, 0.0]), noise.normal(n, 2)

    critic = critics.seeded(lambda: MLPCritic((2,), (64, 64)), 0)
    module = critics.module_of("wgan_gp", critic, 1e-3, penalty_weight=weight)

    def share_near_the_optimum() -> float:
        norms = gradient_norm(critic, interpolate(real[rows], fake[cols], epsilon))
        off = norms / (1 + shift / (2 * weight)) - 1
        return float((off.abs() < 0.07).float().mean())

    real, fake = pairs(500)
    rows, cols = optimal_pairs(real, fake)
    epsilon = noise.uniform(500)
    assert share_near_the_optimum() < 0.5
    critics.train(module, pairs, 1200)
    assert share_near_the_optimum() > 0.9


def test_a_weaker_penalty_overshoots_more() -> None:
    row = trained("wgan_gp", 3.0, penalty_weight=3.0)
    assert row["estimate"] == pytest.approx(3 * (1 + 3 / 6), rel=0.05)


@pytest.mark.parametrize("shift", [1.0, 3.0, 10.0])
def test_a_clipped_critic_obeys_its_lipschitz_bound_and_its_slope_undoes_the_scale(
    shift: float,
) -> None:
    row = trained("wgan", shift)
    assert row["estimate"] <= row["lipschitz"] * shift
    assert row["plan_estimate"] <= row["lipschitz"] * row["plan_exact"]
    assert row["estimate"] < 0.01 * shift  # far from W1 itself
    assert row["per_slope"] == pytest.approx(shift, rel=0.1)
