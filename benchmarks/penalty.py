"""Estimate and penalty: as two backward passes, and as one compiled function."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks import adaptation, generative
from benchmarks.comparison import Goal, Row, compare
from benchmarks.timing import Variant, timed
from lightning_modules import WDGRL, WGANGP
from lightning_modules.core.compiled import Compiled
from lightning_modules.functional.adversarial import wasserstein_critic_loss

Loss = Callable[[], Tensor]
Penalised = WGANGP | WDGRL


def penalty(rounds: int) -> list[Row]:
    """Time of loss and gradient, and how far the compiled gradient is off."""
    results: list[Row] = []
    for name, calls in (("points", 60), ("digits", 60), ("mnist", 20)):
        pair = generative.PAIRS[name]
        ours = generative.module("wgan_gp", pair)
        assert isinstance(ours, WGANGP)
        case = f"wgan_gp: {pair.described}, batch {pair.batch}"
        results += _case(case, ours, (pair.batch, *pair.shape), calls, rounds)
    case = "wdgrl: critic 500-100-1, 32 + 32 rows of features"
    return results + _case(case, adaptation.module(), (32, 500), 100, rounds)


def _losses(
    ours: Penalised, shape: tuple[int, ...]
) -> tuple[Loss, Loss, Compiled[Any, Any]]:
    """The critic's loss on two samples, as it is written and compiled."""
    g = torch.Generator().manual_seed(0)
    samples = [torch.randn(shape, generator=g) for _ in range(2)]
    epsilon = torch.rand(len(samples[0]), generator=g)
    plain = _terms_of(ours)
    terms = Compiled(plain)

    assert ours.penalty is not None
    weight = ours.penalty.weight

    def loss(function: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
        gap, excess = function(*samples, epsilon)
        return gap + weight * excess

    return partial(loss, plain), partial(loss, terms), terms


def _terms_of(ours: Penalised) -> Callable[..., tuple[Tensor, Tensor]]:
    """The critic's negated estimate of two samples, and its penalty."""
    if isinstance(ours, WDGRL):
        return ours._terms

    def terms(real: Tensor, fake: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        *scores, penalty = ours._scores_and_penalty(real, fake, uniform)
        return wasserstein_critic_loss(*scores), penalty

    return terms


def _case(
    case: str, ours: Penalised, shape: tuple[int, ...], calls: int, rounds: int
) -> list[Row]:
    weights = list(ours.critic.parameters())
    eager, fast, terms = _losses(ours, shape)
    difference = _difference(eager, fast, weights)
    if terms.failed:
        raise RuntimeError(f"{case}: it could not be compiled.")

    def variant(loss: Loss) -> Variant:
        return lambda: timed(lambda: torch.autograd.grad(loss(), weights), calls)

    variants = {"eager": variant(eager), "compiled": variant(fast)}
    goals = {"compiled": Goal(most=1.0)}
    results = compare(case, "loss and gradient", variants, rounds, goals)
    results[0]["gradient differs by"] = ""
    results[1]["gradient differs by"] = f"{difference:.1e}"
    return results


def _difference(one: Loss, other: Loss, weights: Sequence[Tensor]) -> float:
    """Largest difference of a gradient, by the largest gradient of its layer."""
    pairs = zip(*(torch.autograd.grad(f(), weights) for f in (one, other)), strict=True)
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)
