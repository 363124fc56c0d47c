"""GAN, WGAN and WGAN-GP against their papers' updates, written out by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.nn.functional import softplus

from lightning_modules import (
    GAN,
    WGAN,
    WGANGP,
    ConvCritic,
    MLPCritic,
)
from lightning_modules.core.random import RandomStream
from lightning_modules.generative.base import GenerativeModule
from tests.support.games import networks
from tests.support.methods import recorded
from tests.support.trainers import QUIET_TRAINER

pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)

N = 6


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    """RMSProp's first steps magnify rounding: compare in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def fit(module: GenerativeModule, real: Tensor, batches: int) -> None:
    Trainer(
        **QUIET_TRAINER,
        max_epochs=1,
        precision="64-true",
    ).fit(module, torch.utils.data.DataLoader([real] * batches, batch_size=None))  # type: ignore[arg-type]


def where_by_hand(
    where: str, real: Tensor, fake: Tensor, noise: RandomStream
) -> Tensor:
    if where == "data":
        return real
    if where == "around_data":
        spread = (real - real.mean()).square().mean().sqrt()
        return real + spread / 2 * noise.uniform(*real.shape)
    e = noise.uniform(N)[:, None]
    return e * real + (1 - e) * fake


def by_hand(
    method: str,
    real: Tensor,
    updates: int,
    n_critic: int,
    *,
    penalty_weight: float,
    penalty_where: str = "",
    slope: float = 0.0,
    penalty_every: int = 1,
    penalty_rescale: bool = False,
) -> dict[str, Tensor]:
    """The published algorithm in plain PyTorch, without any of our functions."""
    g, f = networks()
    noise = RandomStream(torch.initial_seed(), 0, "train")
    made: Callable[[object], torch.optim.Optimizer] = {
        "gan": lambda p: torch.optim.Adam(p, 2e-4, (0.5, 0.999)),
        "wgan": lambda p: torch.optim.RMSprop(p, 5e-5),
        "wgan_gp": lambda p: torch.optim.Adam(p, 1e-4, (0.0, 0.9)),
    }[method]
    opt_f, opt_g = made(f.parameters()), made(g.parameters())
    if penalty_rescale:
        c = penalty_every / (penalty_every + 1)
        (group,) = opt_f.param_groups
        (one, other), lr = group["betas"], group["lr"]
        group |= {"lr": c * lr, "betas": (one**c, other**c)}
    for update in range(updates):
        for i in range(n_critic):
            fake = g(noise.normal(N, 3)).detach()
            if method == "gan":
                loss = softplus(-f(real)).mean() + softplus(f(fake)).mean()
            else:
                loss = f(fake).mean() - f(real).mean()
            due = (update * n_critic + i + 1) % penalty_every == 0
            if penalty_weight and due:
                x = where_by_hand(penalty_where, real, fake, noise)
                x = x.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
                excess = ((gradient.norm(2, dim=1) - slope) ** 2).mean()
                loss = loss + penalty_weight * penalty_every * excess
            opt_f.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            opt_f.step()
            if method == "wgan":
                for p in f.parameters():
                    p.data.clamp_(-0.01, 0.01)
        scores = f(g(noise.normal(N, 3)))
        loss = softplus(-scores).mean() if method == "gan" else -scores.mean()
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
    state = {f"critic.{k}": v for k, v in f.state_dict().items()}
    return {**{f"generator.{k}": v for k, v in g.state_dict().items()}, **state}


PENALTIES: dict[str, dict[str, Any]] = {
    "gan": {"penalty_weight": 0.0, "penalty_where": "data", "slope": 0.0},
    "wgan": {"penalty_weight": 0.0},
    "wgan_gp": {"penalty_weight": 10.0, "penalty_where": "lines", "slope": 1.0},
}
"""The penalties of the papers."""


@pytest.mark.parametrize(
    ("name", "method", "n_critic", "options"),
    [
        ("gan", GAN, 1, {}),
        ("gan", GAN, 1, {"penalty_weight": 5.0}),
        ("gan", GAN, 2, {"penalty_weight": 5.0, "penalty_every": 2, "n_critic": 2}),
        (
            "gan",
            GAN,
            1,
            {"penalty_weight": 5.0, "penalty_every": 2, "penalty_rescale": True},
        ),
        (
            "gan",
            GAN,
            1,
            {"penalty_weight": 5.0, "penalty_where": "lines", "slope": 1.0},
        ),
        ("wgan", WGAN, 5, {}),
        ("wgan_gp", WGANGP, 5, {}),
        ("wgan_gp", WGANGP, 5, {"penalty_every": 3}),
        ("wgan_gp", WGANGP, 5, {"penalty_every": 3, "penalty_rescale": True}),
        ("wgan_gp", WGANGP, 5, {"penalty_where": "around_data"}),
        ("wgan_gp", WGANGP, 5, {"penalty_where": "data", "slope": 0.5}),
    ],
)
def test_training_follows_the_published_algorithm(
    name: str,
    method: Callable[..., GenerativeModule],
    n_critic: int,
    options: dict[str, Any],
) -> None:
    """GAN's default penalty is R1 (arXiv:1801.04406)."""
    real = torch.randn(N, 2, generator=torch.Generator().manual_seed(3))
    module = method(*networks(), **options)
    torch.manual_seed(5)
    fit(module, real, 4 * n_critic)
    torch.manual_seed(5)
    seed = torch.initial_seed()
    # networks() sets the global seed, from which the noise takes its key
    expected = None
    original = torch.initial_seed
    try:
        torch.initial_seed = lambda: seed
        kind = {k: v for k, v in options.items() if k != "n_critic"}
        expected = by_hand(name, real, 4, n_critic, **PENALTIES[name] | kind)
    finally:
        torch.initial_seed = original
    for key, value in module.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-9, atol=1e-12)


def test_the_saturating_loss_is_what_the_constructor_chooses() -> None:
    logits = torch.randn(4)
    torch.testing.assert_close(
        GAN(*networks(), loss="saturating").generator_loss(logits),
        -softplus(logits).mean(),
    )
    torch.testing.assert_close(
        GAN(*networks()).generator_loss(logits), softplus(-logits).mean()
    )


def test_wgan_clips_after_every_step_parameters_and_not_buffers() -> None:
    torch.manual_seed(0)
    critic = MLPCritic((2,), hidden=(8,), norm="batch")
    module = WGAN(networks()[0], critic)
    running = [b for name, b in critic.named_buffers() if "running_var" in name]
    fit(module, 5 * torch.randn(N, 2), 1)
    assert all(p.abs().max() <= 0.01 for p in critic.parameters())
    assert all(b.max() > 0.01 for b in running)


def test_wgan_can_spare_the_scales_of_norm_layers() -> None:
    torch.manual_seed(0)
    critic = MLPCritic((2,), hidden=(8,), norm="layer")
    module = WGAN(networks()[0], critic, clip_norm_layers=False)
    fit(module, torch.randn(N, 2), 1)
    norms = [m for m in critic.modules() if isinstance(m, nn.LayerNorm)]
    assert all(m.weight.min() > 0.9 for m in norms)
    linear = [m for m in critic.modules() if isinstance(m, nn.Linear)]
    assert all(m.weight.abs().max() <= 0.01 for m in linear)


def test_wgan_gp_refuses_batchnorm_in_the_critic_with_the_reason() -> None:
    with pytest.raises(ValueError, match="BatchNorm, which mixes the samples"):
        WGANGP(networks()[0], ConvCritic((1, 28, 28), width=4, norm="batch"))
    WGANGP(networks()[0], ConvCritic((1, 28, 28), width=4, norm="layer"))


def test_scoring_in_one_call_is_scoring_in_two() -> None:
    module = WGAN(*networks())
    real, fake = torch.randn(5, 2), torch.randn(5, 2)
    for joint, alone in zip(
        module.score_pair(real, fake),
        (module.critic(real), module.critic(fake)),
        strict=True,
    ):
        torch.testing.assert_close(joint, alone)


def test_a_critic_with_batchnorm_sees_real_and_fake_apart() -> None:
    critic = MLPCritic((2,), hidden=(8,), norm="batch")
    module = GAN(networks()[0], critic)
    real, fake = torch.randn(5, 2), torch.randn(5, 2) + 9
    expected = critic(real), critic(fake)
    for joint, alone in zip(module.score_pair(real, fake), expected, strict=True):
        torch.testing.assert_close(joint, alone)


@pytest.mark.parametrize("method", [GAN, WGAN, WGANGP])
def test_the_logged_values_are_those_of_the_papers(method: Any) -> None:
    """Eq. 1, 3, 34, 35 and 40: an estimate is positive where data score more."""
    options: dict[str, Any] = {"one_sided": True, "slope": 0.05, "norm_order": 1.0}
    module = method(*networks(), **options if method is WGANGP else {})
    real = torch.randn(N, 2, generator=torch.Generator().manual_seed(3))
    module.noise, noise = (RandomStream(0, 0, "train") for _ in range(2))
    found = recorded(module, module.critic_objective, real)
    g, f = networks()
    fake = g(noise.normal(N, 3)).detach()
    gap = f(real).mean() - f(fake).mean()
    cross = softplus(-f(real)).mean() + softplus(f(fake)).mean()
    jensen = torch.tensor(2.0).log() - cross / 2
    expected = {"wasserstein": gap, "critic_loss": -gap}
    if method is GAN:
        expected = {"js_estimate": jensen, "critic_loss": cross}
    if method is WGANGP:
        x = where_by_hand("lines", real, fake, noise).requires_grad_()
        (slopes,) = torch.autograd.grad(f(x).sum(), x)
        excess = (slopes.abs().sum(1) - 0.05).clamp_min(0)
        assert int((excess > 0).sum()) > 0
        penalty = (excess**2).mean()
        expected |= {"penalty": penalty, "critic_loss": 10 * penalty - gap}
    torch.testing.assert_close(found, expected)
    found = recorded(module, module.generator_objective, real)
    scores = f(g(noise.normal(N, 3)))
    loss = softplus(-scores).mean() if method is GAN else -scores.mean()
    torch.testing.assert_close(found, {"generator_loss": loss.detach()})


def test_a_critic_update_without_penalty_logs_no_loss_and_no_penalty() -> None:
    module = WGANGP(*networks(), penalty_every=2)
    module.noise = RandomStream(0, 0, "train")
    real = torch.zeros(N, 2)
    assert recorded(module, module.critic_objective, real).keys() == {"wasserstein"}
    module.turns.updates["critic"] = 1
    found = recorded(module, module.critic_objective, real)
    assert found.keys() == {"wasserstein", "penalty", "critic_loss"}
    expected = 20 * found["penalty"] - found["wasserstein"]
    torch.testing.assert_close(found["critic_loss"], expected)


@pytest.mark.parametrize("method", [GAN, WGAN, WGANGP])
def test_options_of_each_side_reach_its_optimizer(method: Any) -> None:
    sides = ("critic", "generator")
    made: dict[str, Any] = {
        "critic_scheduler": lambda o: torch.optim.lr_scheduler.StepLR(o, 2),
        "generator_scheduler": lambda o: torch.optim.lr_scheduler.StepLR(o, 3),
        "critic_optimizer": plain_descent,
        "generator_optimizer": lambda p: torch.optim.SGD(p, lr=0.5),
    }
    clips = {"critic_clip_norm": 0.5, "generator_clip_norm": 1.5}
    module = method(*networks(), **made, **clips)
    assert [learner.against for learner in module.learners()] == [(), [module.critic]]
    specs = [learner.optimizers[0] for learner in module.learners()]
    for side, spec in zip(sides, specs, strict=True):
        assert spec.clip_norm == clips[f"{side}_clip_norm"]
        assert spec.scheduler is made[f"{side}_scheduler"]
        assert spec.optimizer is made[f"{side}_optimizer"]
    for side, spec in zip(sides, specs, strict=True):
        own = list(module.get_submodule(side).parameters())
        assert [id(weight) for weight in spec.parameters] == list(map(id, own))


@pytest.mark.parametrize(
    "layer", [nn.GroupNorm(1, 2), nn.InstanceNorm1d(2, affine=True), nn.LayerNorm(2)]
)
def test_no_norm_layer_is_clipped_where_they_are_spared(layer: nn.Module) -> None:
    critic = nn.Sequential(nn.Linear(2, 2), layer, nn.Linear(2, 1), nn.Flatten(0))
    spared = WGAN(networks()[0], critic, clip_norm_layers=False)
    spared.after_critic_update()
    assert (layer.weight == 1).all()  # type: ignore[union-attr]
    WGAN(networks()[0], critic).after_critic_update()
    assert all((weight.abs() <= 0.01).all() for weight in critic.parameters())


@pytest.mark.parametrize("method", [GAN, WGANGP])
def test_each_side_moves_by_at_most_its_own_clip_norm(method: Any) -> None:
    limits = {"critic": 1e-3, "generator": 1e-4}
    options: dict[str, Any] = {f"{side}_clip_norm": n for side, n in limits.items()}
    options |= {f"{side}_optimizer": plain_descent for side in limits}
    module = method(*networks(), n_critic=1, **options)
    before = {k: v.detach().clone() for k, v in module.named_parameters()}
    fit(module, torch.randn(N, 2), 1)
    for side, limit in limits.items():
        moved = [
            (weight.detach() - before[f"{side}.{key}"]).square().sum()
            for key, weight in module.get_submodule(side).named_parameters()
        ]
        assert float(sum(moved)) ** 0.5 == pytest.approx(limit, rel=1e-4)


def plain_descent(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1.0)
