"""A critic, an encoder and a generator: a method of three optimizers in one class."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import SGD, Optimizer

from datamodules import PointClouds
from lightning_modules import GANAdam, MLPCritic, MLPExtractor, MLPGenerator
from lightning_modules.core.alternating import trainable
from lightning_modules.core.optimisation import Learner, OptimizerSpec
from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.batches import samples_of
from lightning_modules.generative.base import GenerativeModule
from tests.support.games import keep_batches
from tests.support.trainers import QUIET_TRAINER

N, LATENT = 4, 3


class BiGAN(GenerativeModule):
    """Pairs (x, E(x)) and (G(z), z) that a critic can't tell apart (arXiv:1605.09782).

    Args:
        generator: Maps latents (n, d) to samples (n, k).
        critic: Maps pairs (n, k + d) to logits (n,).
        encoder: Maps samples (n, k) to latents (n, d).
        n_critic: Critic updates per generator update.
        encoder_optimizer: Makes the encoder's optimizer.
        **options: Of `GenerativeModule`.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        encoder: nn.Module,
        n_critic: int = 1,
        encoder_optimizer: Any = lambda p: GANAdam(p),
        **options: Any,
    ) -> None:
        kinds = ("critic_optimizer", "generator_optimizer")
        optimizers = dict.fromkeys(kinds, lambda p: GANAdam(p))
        super().__init__(
            generator, critic, n_critic=n_critic, **{**optimizers, **options}
        )
        self.encoder = encoder
        self.encoder_spec = OptimizerSpec(
            "encoder_", trainable(encoder), encoder_optimizer
        )
        self.save_hyperparameters()

    def learners(self) -> list[Learner]:
        critic, generator = super().learners()
        encoder = Learner(
            "encoder",
            self.encoder_objective,
            [self.encoder_spec],
            waits=True,
            against=[self.critic],
        )
        return [critic, encoder, generator]

    def real_scores(self, batch: Any, critic: nn.Module) -> Tensor:
        x = samples_of(batch)
        return critic(torch.cat([x, self.encoder(x)], 1))  # type: ignore[no-any-return]

    def fake_scores(self, batch: Any, critic: nn.Module) -> Tensor:
        z = self.latents(len(samples_of(batch)), self.noise, batch)
        return critic(torch.cat([self(z), z], 1))  # type: ignore[no-any-return]

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """The critic takes pairs, not samples."""
        assert self.sample(2).shape[1:] == shape

    def critic_objective(self, batch: Any) -> Tensor:
        real, fake = (
            s(batch, self.critic) for s in (self.real_scores, self.fake_scores)
        )
        return softplus(-real).mean() + softplus(fake).mean()

    def encoder_objective(self, batch: Any) -> Tensor:
        return softplus(self.real_scores(batch, self.critic)).mean()

    def generator_objective(self, batch: Any) -> Tensor:
        return softplus(-self.fake_scores(batch, self.critic)).mean()


class TwoCritics(BiGAN):
    """The same with a second critic, of samples alone, for the generator."""

    def __init__(self, *networks: Any, second: nn.Module, **options: Any) -> None:
        super().__init__(*networks, **options)
        self.second = second

    def learners(self) -> list[Learner]:
        critic, encoder, generator = super().learners()
        spec = self.critic_spec._replace(parameters=trainable(self.second))
        second = Learner("second", self.second_objective, [spec])
        both = [self.critic, self.second]
        return [critic, second, encoder, generator._replace(against=both)]

    def second_objective(self, batch: Any) -> Tensor:
        real = samples_of(batch)
        with torch.no_grad():
            fake = self(self.latents(len(real), self.noise, batch))
        return softplus(-self.second(real)).mean() + softplus(self.second(fake)).mean()

    def generator_objective(self, batch: Any) -> Tensor:
        fake = self(self.latents(len(samples_of(batch)), self.noise, batch))
        return super().generator_objective(batch) + softplus(-self.second(fake)).mean()


def networks() -> tuple[nn.Module, nn.Module, nn.Module]:
    torch.manual_seed(0)
    return (
        MLPGenerator(LATENT, (2,), hidden=(8,)),
        MLPCritic((2 + LATENT,), hidden=(8,)),
        MLPExtractor((2,), hidden=(8, LATENT), activation="tanh"),
    )


def two_critics(**options: Any) -> TwoCritics:
    return TwoCritics(*networks(), second=MLPCritic((2,), hidden=(8,)), **options)


def data(n: int = 5) -> PointClouds:
    return PointClouds("ring8", n_train=n * N, batch_size=N)


def fit(module: BiGAN, n_batches: int = 5, **options: Any) -> Trainer:
    resumed = {k: options.pop(k) for k in ("ckpt_path",) if k in options}
    trainer = Trainer(
        **QUIET_TRAINER,
        limit_val_batches=0,
        **{"max_epochs": -1, **options},
    )
    torch.manual_seed(5)
    trainer.fit(module, data(n_batches), **resumed, weights_only=True)
    return trainer


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


def moved(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    """Networks whose weights are other bits than before."""
    now = module.state_dict()
    return {k.split(".")[0] for k, v in before.items() if not torch.equal(v, now[k])}


def watch(module: BiGAN) -> list[tuple[str, set[str]]]:
    """After each update: whose it was, and what has moved since the last one."""
    learners = module.learners()
    updates: list[tuple[str, set[str]]] = []
    last = weights(module)

    def watched(learner: Learner) -> Learner:
        def note() -> None:
            nonlocal last
            updates.append((learner.name, moved(last, module)))
            last = weights(module)

        return learner._replace(after_update=note)

    module.learners = lambda: [*map(watched, learners)]  # type: ignore[method-assign]
    return updates


def test_training_is_that_of_a_loop_over_three_optimizers() -> None:
    module, seen = BiGAN(*networks(), n_critic=2), list[Any]()
    keep_batches(module, seen)
    fit(module, max_steps=3)
    generator, critic, encoder = networks()
    torch.manual_seed(5)
    noise = RandomStream(torch.initial_seed(), 0, "train")
    optimizers = [GANAdam(net.parameters()) for net in (critic, encoder, generator)]

    def step(which: int, loss: Tensor) -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizers[which].step()

    def real(x: Tensor) -> Tensor:
        return critic(torch.cat([x, encoder(x)], 1))  # type: ignore[no-any-return]

    def fake() -> Tensor:
        z = noise.normal(N, LATENT)
        return critic(torch.cat([generator(z), z], 1))  # type: ignore[no-any-return]

    for i, (x, _) in enumerate(seen, start=1):
        step(0, softplus(-real(x)).mean() + softplus(fake()).mean())
        if i % 2 == 0:
            step(1, softplus(real(x)).mean())
            step(2, softplus(-fake()).mean())
    for network, own in zip(
        (generator, critic, encoder),
        (module.generator, module.critic, module.encoder),
        strict=True,
    ):
        for key, value in network.state_dict().items():
            torch.testing.assert_close(own.state_dict()[key], value)


@pytest.mark.parametrize("n_critic", [1, 3])
def test_steps_are_the_generators_updates(n_critic: int) -> None:
    module = BiGAN(*networks(), n_critic=n_critic)
    trainer = fit(module, max_steps=4)
    updates = {"critic": 4 * n_critic, "encoder": 4, "generator": 4}
    assert (trainer.global_step, dict(module.turns.updates)) == (4, updates)


def test_each_update_leaves_the_weights_of_the_others_bit_identical() -> None:
    module = BiGAN(*networks(), n_critic=2)
    updates = watch(module)
    fit(module, max_steps=2)
    turns = ["critic", "critic", "encoder", "generator"] * 2
    assert updates == [(name, {name}) for name in turns]


@pytest.mark.parametrize("stop", [{"max_steps": 2}, {"max_epochs": 1}])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    stop: dict[str, int], tmp_path: Path
) -> None:
    """Stopped in the middle of an epoch, and while encoder and generator wait."""
    whole, first, again = (BiGAN(*networks(), n_critic=3) for _ in range(3))
    fit(whole, 7, max_steps=5)
    path = tmp_path / "one.ckpt"
    fit(first, 7, **stop).save_checkpoint(path)
    fit(again, 7, max_steps=5, ckpt_path=path)
    assert moved(weights(whole), again) == set()
    assert whole.turns.updates == again.turns.updates
    assert moved(weights(first), BiGAN.load_from_checkpoint(path)) == set()


def test_each_learner_has_its_own_rate() -> None:
    """Two time scales (arXiv:1706.08500): rate times gradient."""
    rates = {"critic": 0.5, "encoder": 0.25, "generator": 0.125}

    def descent(rate: float) -> Any:
        return lambda parameters: SGD(parameters, lr=rate)

    options = {f"{name}_optimizer": descent(rate) for name, rate in rates.items()}
    module = BiGAN(*networks(), **options)
    before = weights(module)
    fit(module, max_steps=1)
    for name, rate in rates.items():
        for key, weight in module.get_submodule(name).named_parameters():
            assert weight.grad is not None
            moved_to = before[f"{name}.{key}"] - rate * weight.grad
            torch.testing.assert_close(weight.detach(), moved_to)


def test_a_second_critic_takes_its_turn() -> None:
    module = two_critics(n_critic=2)
    updates = watch(module)
    fit(module, max_steps=2)
    turns = ["critic", "second"] * 2 + ["encoder", "generator"]
    assert updates == [(name, {name}) for name in turns * 2]


@pytest.mark.parametrize("blind", [set(), {"critic"}, {"second"}, {"critic", "second"}])
def test_the_generator_learns_from_each_of_two_critics(blind: set[str]) -> None:
    module = two_critics()
    module.noise = RandomStream(0, 0, "train")
    for name in blind:  # a critic without weights has no gradient
        for weight in module.get_submodule(name).parameters():
            nn.init.zeros_(weight)
    module.generator_objective(torch.zeros(N, 2)).backward()  # type: ignore[no-untyped-call]
    gradients = [w.grad for w in module.generator.parameters()]
    learns = any(g is not None and bool(g.any()) for g in gradients)
    assert learns == (len(blind) < 2)


def test_three_optimizers_stand_in_the_order_of_their_learners() -> None:
    optimizers, schedules = BiGAN(*networks()).configure_optimizers()
    assert len(optimizers) == 3
    assert all(isinstance(one, Optimizer) for one in optimizers)
    assert schedules == []
