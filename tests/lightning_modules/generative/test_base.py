"""Samples, noise, evaluation and checkpoints of the generative base."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.core.mixins import hparams_mixin
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR, LinearLR
from torch.utils.data import DataLoader

from lightning_modules import (
    GAN,
    WGAN,
    WGANGP,
    ConvCritic,
    ConvGenerator,
    MLPCritic,
    MLPGenerator,
)
from lightning_modules.core.random import RandomStream
from lightning_modules.core.strategies import prepare_strategy
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.generative.base import GenerativeModule

pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)

METHODS: list[type[GenerativeModule]] = [GAN, WGAN, WGANGP]


def networks() -> tuple[MLPGenerator, MLPCritic]:
    return MLPGenerator(3, (2,), hidden=(8,)), MLPCritic((2,), hidden=(8,))


def trainer(**options: Any) -> Trainer:
    defaults = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "max_epochs": 1,
    }
    return Trainer(**{**defaults, **options})


def points(n: int = 8) -> DataLoader[Tensor]:
    return DataLoader(torch.randn(n, 2), batch_size=4)  # type: ignore[arg-type]


# Random streams -----------------------------------------------------------------------


def test_noise_differs_by_seed_rank_and_stream_and_repeats() -> None:
    keys = [(0, 0, "train"), (1, 0, "train"), (0, 1, "train"), (0, 0, "sample")]
    draws = [RandomStream(*key).normal(8) for key in keys]
    for i, one in enumerate(draws):
        assert torch.equal(one, RandomStream(*keys[i]).normal(8))
        assert all(not torch.equal(one, other) for other in draws[i + 1 :])


def test_noise_goes_on_from_its_state() -> None:
    noise = RandomStream(0, 0, "train")
    noise.normal(5)
    state, ahead = noise.state, noise.uniform(7)
    other = RandomStream(9, 9, "x")
    other.state = torch.stack([RandomStream(1, 1, "y").state, state])[
        1
    ]  # one rank's row
    assert torch.equal(other.uniform(7), ahead)


def test_noise_has_the_laws_it_names() -> None:
    noise = RandomStream(0, 0, "law")
    normal, uniform = noise.normal(200_000), noise.uniform(200_000)
    assert normal.mean().abs() < 0.01
    assert normal.std() == pytest.approx(1, abs=0.01)
    assert uniform.mean() == pytest.approx(0.5, abs=0.005)
    assert 0 <= uniform.min() <= uniform.max() < 1


def test_training_and_sampling_leave_the_global_generator_alone() -> None:
    module = WGANGP(*networks())
    loader = points()
    state = torch.get_rng_state()
    module.sample(4)
    assert torch.equal(torch.get_rng_state(), state)
    t = trainer()
    t.fit(module, loader)
    train_state = module.noise.state
    module.sample(4)
    t.validate(module, loader, verbose=False)
    assert torch.equal(module.noise.state, train_state)


# Samples ----------------------------------------------------------------------------


def test_samples_repeat_with_the_seed_in_eval_mode_without_gradients() -> None:
    generator = MLPGenerator(3, (2,), hidden=(8,), norm="batch")
    module = GAN(generator, networks()[1]).train()
    first = module.sample(5)
    assert module.generator.training
    assert not first.requires_grad
    assert torch.equal(first, module.sample(5))
    assert not torch.equal(first, module.sample(5, seed=1))
    assert torch.equal(first, module.eval().sample(5))


def test_sampling_leaves_every_layer_in_the_mode_it_was_in() -> None:
    generator = MLPGenerator(3, (2,), hidden=(8,), norm="batch").train()
    norm = next(m for m in generator.modules() if isinstance(m, nn.BatchNorm1d))
    norm.eval()
    GAN(generator, networks()[1]).sample(4)
    assert generator.training
    assert not norm.training


def test_many_samples_are_made_in_parts_with_the_same_result() -> None:
    module = GAN(*networks())
    latents = RandomStream(0, 0, "sample").normal(2500, 3)
    torch.testing.assert_close(module.sample(2500), module(latents).detach())


def test_a_predicted_sample_does_not_depend_on_its_batch() -> None:
    module = GAN(*networks()).eval()
    with torch.no_grad():
        together = module.predict_step(torch.arange(6), 0)
        apart = torch.cat([module.predict_step(torch.tensor([i]), 0) for i in range(6)])
    torch.testing.assert_close(together, apart)


# Evaluation -------------------------------------------------------------------------


def test_validation_logs_the_exact_distance_between_samples_and_data() -> None:
    module = WGANGP(*networks())
    x = torch.randn(50, 2)
    (values,) = trainer().validate(
        module,
        DataLoader(x, batch_size=50),  # type: ignore[arg-type]
        verbose=False,
    )
    noise = RandomStream(torch.initial_seed(), 0, "evaluation")
    fake = module(noise.normal(50, 3)).detach()
    assert values["val/wasserstein"] == pytest.approx(
        wasserstein_distance(x, fake).item(), rel=1e-5
    )
    assert 0 < values[module.monitor] < values["val/wasserstein"]


def test_test_metrics_carry_the_test_prefix_and_repeat() -> None:
    module = GAN(*networks())
    data = points()
    first, second = (trainer().test(module, data, verbose=False)[0] for _ in range(2))
    assert first == second
    assert {"test/wasserstein", "test/sliced_wasserstein"} < set(first)


class Pictures(LightningDataModule):
    shape = (1, 8, 8)

    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(torch.zeros(4, 1, 8, 8), batch_size=2)  # type: ignore[arg-type]


class Column(nn.Linear):
    def __init__(self) -> None:
        super().__init__(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


@pytest.mark.parametrize(
    ("generator", "critic", "message"),
    [
        (ConvGenerator(2, (1, 28, 28), 4), ConvCritic((1, 8, 8), 4), "generator ret"),
        (ConvGenerator(2, (1, 8, 8), 4), ConvCritic((1, 28, 28), 4), "critic does not"),
        (ConvGenerator(2, (1, 8, 8), 4), Column(), "one score per sample"),
    ],
)
def test_networks_that_do_not_fit_the_data_are_refused(
    generator: nn.Module, critic: nn.Module, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        trainer().fit(WGAN(generator, critic), datamodule=Pictures())


# Checkpoints ------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_loads_by_itself_without_pickled_code(
    method: type[GenerativeModule], tmp_path: Path
) -> None:
    make: Callable[..., GenerativeModule] = method
    module = make(*networks(), n_critic=3)
    t = trainer()
    t.fit(module, points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    torch.load(tmp_path / "x.ckpt", weights_only=True)
    again = method.load_from_checkpoint(tmp_path / "x.ckpt")
    assert type(again) is method
    assert again.turns.batches_per_step == 3
    assert torch.equal(again.sample(4), module.sample(4))


def test_optimizers_and_schedules_survive_in_a_checkpoint(tmp_path: Path) -> None:
    module = WGANGP(
        *networks(),
        critic_optimizer=lambda p: Adam(p, lr=3e-3, betas=(0.1, 0.2)),
        generator_scheduler=lambda o: LinearLR(o, 1.0, 0.5, total_iters=7),
        critic_scheduler=lambda o: LambdaLR(o, lambda _: 1.0),  # has no plain form
    )
    t = trainer()
    t.fit(module, points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    again = WGANGP.load_from_checkpoint(tmp_path / "x.ckpt")
    (critic, _), schedulers = again.configure_optimizers()
    assert (critic.defaults["lr"], tuple(critic.defaults["betas"])) == (
        3e-3,
        (0.1, 0.2),
    )
    assert [(s.end_factor, s.total_iters) for s in schedulers] == [(0.5, 7)]


def test_networks_without_a_recipe_are_given_again_when_loading(tmp_path: Path) -> None:
    class Mine(nn.Linear):
        latent_dim = 3

    module = GAN(Mine(3, 2), networks()[1])
    t = trainer()
    t.fit(module, points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    again = GAN.load_from_checkpoint(tmp_path / "x.ckpt", generator=Mine(3, 2))
    assert torch.equal(again.sample(4), module.sample(4))


def test_the_place_in_the_schedule_is_in_the_checkpoint(tmp_path: Path) -> None:
    module = WGAN(*networks(), n_critic=5)
    t = trainer()
    t.fit(module, points(4 * 7))
    t.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=True)
    assert saved["schedule"] == {
        "updates": {"critic": 7, "generator": 1},
        "batches_waiting": 2,
    }
    assert torch.equal(saved["noise"][0], module.noise.state)
    again = WGAN.load_from_checkpoint(tmp_path / "x.ckpt")
    (values,) = trainer().test(again, points(), verbose=False)
    assert values["step"] == t.global_step == 1


def test_a_checkpoint_of_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    t = trainer()
    t.fit(WGAN(*networks()), points())
    t.save_checkpoint(tmp_path / "x.ckpt")
    saved = torch.load(tmp_path / "x.ckpt", weights_only=True)
    saved["noise"] = saved["noise"].repeat(2, 1)
    torch.save(saved, tmp_path / "two.ckpt")
    with pytest.raises(ValueError, match="2 process"):
        trainer(max_epochs=2).fit(
            WGAN(*networks()), points(), ckpt_path=tmp_path / "two.ckpt"
        )


def test_the_attribute_that_knows_the_cli_still_exists() -> None:
    """`save_hyperparameters` asks Lightning's private context variable."""
    assert hparams_mixin._given_hyperparameters.get() is None


# Strategies -------------------------------------------------------------------------


def test_plain_ddp_looks_for_unused_parameters() -> None:
    strategy = DDPStrategy()
    prepare_strategy(strategy)
    assert strategy._ddp_kwargs["find_unused_parameters"] is True
    prepare_strategy(strategy)  # Lightning calls set-up more than once
    with pytest.raises(ValueError, match=r"unused_parameters false .*use .*'ddp'"):
        prepare_strategy(DDPStrategy(find_unused_parameters=False))
    with pytest.raises(ValueError, match=r"static_graph true .*use .*'ddp'"):
        prepare_strategy(DDPStrategy(static_graph=True))


def test_fsdp_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"use trainer\.strategy 'ddp'"):
        prepare_strategy(FSDPStrategy())
