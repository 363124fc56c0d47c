"""The penalty: eager, compiled, and on every fourth critic update."""

from typing import Any

import pytest
import torch

from benchmarks import generative, lazy, penalty


def test_the_lazy_penalty_is_one_full_update_in_four(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = iter([10, 5, 3])  # with penalty, without, the generator's
    monkeypatch.setattr(lazy, "count", lambda _: next(costs))
    ratio = lazy.work_ratio(generative.PAIRS["points"])
    assert ratio == pytest.approx((5 * 10 + 3) / (5 * (10 + 3 * 5) / 4 + 3))


def test_quality_is_of_the_seeds_that_all_have() -> None:
    records = [
        {"method": method, "seed": seed, "metrics": dict.fromkeys(lazy.SHOWN, value)}
        for method, value in (("wgan_gp", 2.0), ("wgan_gp_lazy", 3.0))
        for seed in range(2)
    ]
    extra = dict.fromkeys(lazy.SHOWN, 100.0)
    records.append({"method": "wgan_gp", "seed": 2, "metrics": extra})
    labels = {"wgan_gp": "every", "wgan_gp_lazy": "4th", "wgan": "not run yet"}
    every, fourth = lazy._compared(records, labels)
    assert every["exact W1"] == "2 ± 0"
    assert fourth == {
        "penalty": "4th",
        "seeds": "2",
        **dict.fromkeys(lazy.SHOWN.values(), "3 ± 0"),
    }


def test_the_difference_of_gradients_is_relative() -> None:
    weight = torch.ones(2, requires_grad=True)

    def loss(factor: float) -> Any:
        return lambda: factor * weight.square().sum()

    assert penalty._difference(loss(1.0), loss(1.1), [weight]) == pytest.approx(0.1)
