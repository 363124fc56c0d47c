"""What is compared does the same: only then is a ratio worth anything."""

import copy
from typing import get_args

import pytest
import torch
from torch import nn

from benchmarks import adaptation, generative, ranking
from benchmarks import generative_loops as loops
from benchmarks.adaptation import Reviews
from benchmarks.fitting import repeated
from benchmarks.generative import Method, Pair
from benchmarks.generative_loops import Loop, Step
from benchmarks.work import count
from lightning_modules import MLPCritic, MLPGenerator
from lightning_modules.core.random import RandomStream

SMALL = Pair(
    (2,), 16, lambda: (MLPGenerator(3, (2,), (8,)), MLPCritic((2,), (8,))), "small"
)


def stepped(step: Step, method: Method, network: str) -> list[torch.Tensor]:
    """The weights after one step."""
    loop = Loop.of(method, SMALL)
    for optimizer in loop.optimizers:
        optimizer.param_groups[0]["lr"] = 0.01
    torch.manual_seed(1)
    step(loop, torch.randn(16, 2))
    weights: nn.Module = getattr(loop, network)
    return list(weights.parameters())


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize(
    ("bare", "reference", "network"),
    [
        (loops.bare_critic, loops.reference_critic, "critic"),
        (
            loops.bare_generator,
            loops.reference_generator,
            "generator",
        ),
    ],
)
def test_the_reference_takes_the_same_step(
    method: Method, bare: Step, reference: Step, network: str
) -> None:
    pairs = zip(
        stepped(bare, method, network), stepped(reference, method, network), strict=True
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", get_args(Method))
def test_the_bare_loop_has_the_gradient_of_our_module(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = generative.module(method, SMALL)
    ours.noise = RandomStream(0, 0, "test")
    latent, epsilon = ours.noise.normal(16, ours.latent_dim), ours.noise.uniform(16)
    monkeypatch.setattr(ours.noise, "normal", lambda *_: latent)
    monkeypatch.setattr(ours.noise, "uniform", lambda *_: epsilon)
    monkeypatch.setattr(ours, "record", lambda **_: None)
    real = RandomStream(9, 0, "test").normal(16, 2)
    expected = torch.autograd.grad(
        ours.critic_objective(real), list(ours.critic.parameters())
    )
    loop = Loop.of(method, SMALL)
    monkeypatch.setattr(loop.optimizers[0], "step", lambda: None)
    monkeypatch.setattr(torch, "randn", lambda *_: latent)
    monkeypatch.setattr(torch, "rand", lambda *_: epsilon)
    loops.bare_critic(loop, real)
    for weight, gradient in zip(loop.critic.parameters(), expected, strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, gradient)


def test_our_work_is_that_of_the_bare_loop() -> None:
    pair = generative.PAIRS["digits"]
    ours, loop = generative.module("wgan_gp", pair), Loop.of("wgan_gp", pair)
    ours.noise = RandomStream(0, 0, "test")
    ours.record = lambda **_: None  # type: ignore[method-assign]
    real = next(loop.batches())
    bare = count(lambda: loops.bare_critic(loop, real))
    assert bare > 1e6
    assert count(lambda: torch.autograd.backward(ours.critic_objective(real))) == bare


def test_the_reference_does_more_work() -> None:
    loop = Loop.of("wgan_gp", generative.PAIRS["points"])
    real = next(loop.batches())
    ours = count(lambda: loops.bare_generator(loop, real))
    theirs = count(lambda: loops.reference_generator(loop, real))
    weights = sum(w.numel() for w in loop.critic.parameters() if w.ndim == 2)
    assert theirs == ours + 2 * len(real) * weights  # for which nobody asked


def test_wdgrl_by_hand_trains_all_three_networks() -> None:
    loop = adaptation.Loop.of(Reviews(dense=True))
    networks = (loop.extractor, loop.classifier, loop.critic)
    before = copy.deepcopy([list(n.parameters()) for n in networks])
    repeated(loop.step, loop.batches())(1)
    for old, network in zip(before, networks, strict=True):
        assert any(
            not torch.equal(a, b)
            for a, b in zip(old, network.parameters(), strict=True)
        )


def test_wdgrl_by_hand_takes_the_same_step_with_either_derivatives() -> None:
    weights = []
    for slopes in (adaptation.slopes_by_torch, adaptation.our_slopes):
        loop = adaptation.Loop.of(Reviews(dense=True), slopes)
        torch.manual_seed(0)
        repeated(loop.step, loop.batches())(1)
        weights.append(list(loop.critic.parameters()))
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_cml_by_hand_changes_only_what_it_touches() -> None:
    shop = ranking.Shop(50, 40, 400)
    tables = ranking.Loop.of(shop)
    with torch.no_grad():
        tables.users.weight *= 10
    before = tables.users.weight.detach().clone()
    users, items = torch.tensor([3, 3, 7]), torch.tensor([1, 2, 3])
    tables.step(users, items)
    changed = (tables.users.weight != before).any(1).nonzero().flatten()
    assert set(changed.tolist()) <= {3, 7}
    assert len(changed)
    assert tables.users.weight[[3, 7]].norm(dim=1).le(1 + 1e-6).all()
