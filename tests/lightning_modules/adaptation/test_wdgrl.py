"""WDGRL against Algorithm 1 written out by hand, and what it must not do."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lightning_modules import WDGRL, LinearClassifier, MLPCritic, MLPExtractor
from lightning_modules.adaptation.base import Features
from lightning_modules.core.random import RandomStream
from tests.support.domains import Pair, fit, module, weights
from tests.support.methods import recorded

STEPS = 4


@pytest.fixture
def double() -> Iterator[None]:
    """Adam's first steps magnify rounding: compare in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def by_hand(
    data: Pair, seed: int, *, ends: bool, strength: float, decay: float
) -> dict[str, Tensor]:
    """The published algorithm, features computed anew in every step."""
    model = wdgrl()
    g, c, f = model.extractor, model.classifier, model.critic
    noise = RandomStream(seed, 0, "train")
    critic = torch.optim.Adam(f.parameters(), 1e-4)
    player = torch.optim.Adam([*g.parameters(), *c.parameters()], 1e-4)
    data.setup("fit")
    for _, (xs, ys, xt) in zip(range(STEPS), data.train_dataloader(), strict=False):
        for _ in range(3):
            hs, ht = g(xs).detach(), g(xt).detach()
            e = noise.uniform(8)[:, None]
            points = [e * hs + (1 - e) * ht, *([hs, ht] if ends else [])]
            penalties = []
            for h in points:
                h = h.clone().requires_grad_()
                (slope,) = torch.autograd.grad(f(h).sum(), h, create_graph=True)
                penalties.append((slope.norm(2, dim=1) - 1) ** 2)
            loss = f(ht).mean() - f(hs).mean() + 10 * torch.cat(penalties).mean()
            critic.zero_grad()
            loss.backward()
            critic.step()
        gap = f(g(xs)).mean() - f(g(xt)).mean()
        matrices = [w for w in model.adapted.parameters() if w.ndim > 1]
        loss = cross_entropy(c(g(xs)), ys) + strength * gap
        loss = loss + decay / 2 * sum(w.square().sum() for w in matrices)
        player.zero_grad()
        loss.backward()
        player.step()
    return weights(model)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("ends", "decay"), [(True, 0.0), (False, 0.1)])
def test_training_follows_algorithm_1(ends: bool, decay: float) -> None:
    data = Pair()
    model = wdgrl(ends=ends, n_critic=3, transfer_weight=0.7, weight_decay=decay)
    torch.manual_seed(5)
    fit(model, data, STEPS, precision="64-true")
    expected = by_hand(Pair(), 5, ends=ends, strength=0.7, decay=decay)
    assert not torch.equal(
        expected["critic.layers.1.weight"],
        module("wdgrl").state_dict()["critic.layers.1.weight"],
    )
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-9, atol=1e-12)


def prepared(model: WDGRL, n: int = 8) -> Features:
    g = torch.Generator().manual_seed(1)
    xs, xt = torch.randn(n, 2, generator=g), torch.randn(n, 2, generator=g)
    model.noise = RandomStream(0, 0, "train")
    return model.prepare((xs, torch.zeros(n, dtype=torch.int64), xt))


def wdgrl(**options: Any) -> WDGRL:
    model = module("wdgrl", **options)
    assert isinstance(model, WDGRL)
    return model


def test_the_features_of_a_batch_are_computed_once() -> None:
    model, calls = wdgrl(n_critic=7), []
    model.extractor.register_forward_hook(
        lambda network, *_: calls.append(1) if network.training else None
    )
    fit(model, Pair(), 3)
    assert len(calls) == 3
    assert model.turns.updates["critic"] == 21


def test_neither_penalty_nor_critic_steps_reach_the_extractor() -> None:
    model = wdgrl()
    loss = model.critic_objective(prepared(model))
    torch.autograd.backward(loss)
    assert all(p.grad is None for p in model.adapted.parameters())
    assert all(p.grad is not None for p in model.critic.parameters() if p.ndim > 1)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_its_squared_excess_slope(
    slope: float, ends: bool
) -> None:
    critic = MLPCritic((6,), ())
    with torch.no_grad():
        for weight in critic.parameters():
            weight.copy_(slope * torch.eye(6)[:1] if weight.ndim > 1 else 0 * weight)
    model = wdgrl(ends=ends)
    model.critic = critic
    for n in (2, 9):
        features = prepared(model, n)
        gap = slope * (features.source - features.target)[:, 0].mean()
        loss = model.critic_objective(features).detach()
        assert float(loss + gap.detach()) == pytest.approx(
            10 * (slope - 1) ** 2, abs=1e-5
        )


def test_the_player_descends_what_the_critic_ascends() -> None:
    model = wdgrl()
    features = prepared(model)
    with torch.no_grad():
        source, target = model.critic(features.source), model.critic(features.target)
        found = model.transfer_loss(features)
    torch.testing.assert_close(found, source.mean() - target.mean())


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm1d(6)])
def test_the_critic_sees_the_extractors_eval_mode_and_the_player_its_training_mode(
    layer: nn.Module,
) -> None:
    extractor = MLPExtractor((2,), (6,))
    extractor.rest.append(layer)
    model = WDGRL(extractor, LinearClassifier(6, 2), MLPCritic((6,), (5,)), 2)
    model.train()
    model.noise = RandomStream(0, 0, "train")
    x = torch.ones(8, 2) * torch.arange(1, 9)[:, None]
    batch = (x, torch.zeros(8, dtype=torch.int64), x)
    model.prepare(batch)
    assert all(m.training for m in extractor.modules())
    if isinstance(layer, nn.BatchNorm1d):
        assert layer.num_batches_tracked == 1
    assert not model._fixed.source.requires_grad
    torch.testing.assert_close(model._fixed.source, extractor.eval()(x).detach())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_critic": 0}, "n_critic must be at least 1, got 0"),
        ({"penalty_weight": -1.0}, "penalty_weight must be .* at least 0, got -1"),
        ({"transfer_weight": -1.0}, "transfer_weight must be .* at least 0, got -1"),
        ({"transfer_weight": math.inf}, "transfer_weight must be a finite number"),
        ({"weight_decay": -1.0}, "weight_decay must be .* at least 0, got -1"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0, got 0.0"),
        ({"critic_clip_norm": 0.0}, "critic_clip_norm must be above 0, got 0.0"),
        *(
            ({key: math.nan}, f"^{key} must be .*, got nan")
            for key in (
                *("penalty_weight", "transfer_weight", "weight_decay"),
                *("clip_norm", "critic_clip_norm"),
            )
        ),
    ],
)
def test_settings_out_of_range_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wdgrl(**options)


def test_batchnorm_in_the_critic_is_refused_with_the_reason() -> None:
    critic = MLPCritic((6,), (5,), norm="batch")
    with pytest.raises(ValueError, match="BatchNorm, which mixes the samples"):
        WDGRL(MLPExtractor((2,), (6,)), LinearClassifier(6, 2), critic, 2)


@pytest.mark.parametrize("ends", [True, False])
def test_the_logged_values_are_those_of_eq_42_and_43(ends: bool) -> None:
    model = wdgrl(ends=ends, penalty_weight=3.0)
    h = prepared(model)
    model.noise, noise = (RandomStream(0, 0, "train") for _ in range(2))
    found = recorded(model, model.critic_objective, h)
    e = noise.uniform(8)[:, None]
    source, target = h.source.detach(), h.target.detach()
    lines = e * source + (1 - e) * target
    x = torch.cat([source, target, lines] if ends else [lines]).requires_grad_()
    (slope,) = torch.autograd.grad(model.critic(x).sum(), x)
    penalty = (slope.norm(dim=1) - 1).square().mean()
    distance = (model.critic(source).mean() - model.critic(target).mean()).detach()
    expected = {"wasserstein": distance, "penalty": penalty}
    expected["critic_loss"] = 3 * penalty - distance
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["DropPath", "StochasticDepth"])
def test_a_critic_of_an_extractor_with_stochastic_depth_sees_its_eval_mode(
    name: str,
) -> None:
    """Layers of torchvision and timm, known by name."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return x * 2 if self.training else x

    layer = type(name, (nn.Module,), {"forward": forward})()
    extractor = nn.Sequential(MLPExtractor((2,), (6,)), layer)
    model = WDGRL(extractor, LinearClassifier(6, 2), MLPCritic((6,), (5,)), 2)
    rows = torch.randn(8, 2)
    features = model.prepare((rows, torch.zeros(8).long(), rows))
    torch.testing.assert_close(features.source.detach(), 2 * model._fixed.source)


def test_features_in_half_precision_are_widened_for_the_critic() -> None:
    model = wdgrl()
    rows = torch.randn(8, 2)
    with torch.autocast("cpu", torch.bfloat16):
        features = model.prepare((rows, torch.zeros(8).long(), rows))
    assert features.source.dtype == torch.bfloat16
    assert model._fixed.source.dtype == model._fixed.target.dtype == torch.float32


def test_the_critic_gets_no_gradient_from_the_player() -> None:
    model = wdgrl()
    critic, adapted = model.learners()
    assert critic.against == ()
    assert adapted.against == [model.critic]
    assert (critic.steps, critic.waits, critic.counts) == (5, False, False)
    assert (adapted.steps, adapted.waits, adapted.counts) == (1, True, True)
