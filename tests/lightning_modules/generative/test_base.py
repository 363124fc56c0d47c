"""Samples, noise, evaluation and checkpoints of the generative base."""

from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_modules import (
    GAN,
    WGAN,
    WGANGP,
    ConvCritic,
    ConvGenerator,
    MLPGenerator,
)
from lightning_modules.core.random import RandomStream
from lightning_modules.functional.transport import wasserstein_distance
from lightning_modules.generative.evaluation import GenerativeEvaluator
from lightning_modules.generative.shapes import check_shapes
from tests.support.games import networks, points, trainer

pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)


# Random streams -----------------------------------------------------------------------


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
    assert set(first) == {"test/wasserstein", "test/sliced_wasserstein"}


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


# Strategies -------------------------------------------------------------------------


# A condition --------------------------------------------------------------------------


class LabelledGenerator(nn.Module):
    """Maps latents and labels, in a tuple or a dict, to samples (n, 2)."""

    latent_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Embedding(10, 2)
        self.layer = nn.Linear(3, 2)
        self.seen: list[Tensor] = []

    def forward(self, latents: Any) -> Tensor:
        z, y = latents.values() if isinstance(latents, dict) else latents
        self.seen.append(y)
        return self.layer(z) + self.classes(y)  # type: ignore[no-any-return]


class Conditional(WGANGP):
    """Samples with the labels of the batch, or with labels drawn at random."""

    def latents(self, n: int, stream: RandomStream, batch: Any = None) -> Any:
        labels = stream.integers(10, n) if batch is None else batch[1]
        return super().latents(n, stream), labels


class ConditionalByName(Conditional):
    def latents(self, n: int, stream: RandomStream, batch: Any = None) -> Any:
        return dict(zip(("z", "y"), super().latents(n, stream, batch), strict=True))


def seen_by(module: Conditional) -> list[Tensor]:
    """Labels of each pass through the generator."""
    assert isinstance(module.generator, LabelledGenerator)
    return module.generator.seen


conditional = pytest.mark.parametrize("method", [Conditional, ConditionalByName])


def labelled(n: int) -> DataLoader[tuple[Tensor, ...]]:
    g = torch.Generator().manual_seed(1)
    rows = torch.randn(n, 2, generator=g), torch.randint(10, (n,), generator=g)
    return DataLoader(TensorDataset(*rows), batch_size=5)


@conditional
def test_a_conditional_generator_trains_and_is_validated_on_the_labels_of_the_batches(
    method: type[Conditional],
) -> None:
    module = method(LabelledGenerator(), networks()[1], n_critic=2)
    before = [weight.clone() for weight in module.generator.parameters()]
    trainer().fit(module, labelled(20))
    seen, labels = seen_by(module), [y for _, y in labelled(20)]
    in_turn = [labels[i] for i in (0, 1, 1, 2, 3, 3)]  # critic twice, then generator
    assert all(torch.equal(*pair) for pair in zip(seen, in_turn, strict=True))
    for old, new in zip(before, module.generator.parameters(), strict=True):
        assert not torch.equal(old, new)
    seen.clear()
    (values,) = trainer().validate(module, labelled(10), verbose=False)
    assert torch.equal(torch.cat(seen), torch.cat([y for _, y in labelled(10)]))
    assert values["val/wasserstein"] > 0


@conditional
def test_a_conditional_generator_samples_in_parts_with_labels_of_its_own(
    method: type[Conditional],
) -> None:
    module = method(LabelledGenerator(), networks()[1])
    samples, labels = module.sample(2500), torch.cat(seen_by(module))
    assert samples.shape == (2500, 2)
    assert torch.bincount(labels, minlength=10).min() > 150
    assert torch.equal(samples, module.sample(2500))
    assert not torch.equal(samples, module.sample(2500, seed=1))


@conditional
def test_a_predicted_sample_keeps_its_label_in_every_batching(
    method: type[Conditional],
) -> None:
    module = method(LabelledGenerator(), networks()[1]).eval()
    seen = seen_by(module)
    with torch.no_grad():
        together = module.predict_step(torch.arange(6), 0)
        apart = torch.cat([module.predict_step(torch.tensor([i]), 0) for i in range(6)])
    assert torch.equal(seen[0], torch.cat(seen[1:]))
    torch.testing.assert_close(together, apart)


# Parts --------------------------------------------------------------------------------


def test_an_evaluator_measures_fresh_samples_and_forgets_them() -> None:
    """Closed form: samples that are the data moved by 3 and 4 are 5 away from it."""
    module, x = GAN(*networks()), torch.randn(7, 2)
    evaluator = module.evaluator
    assert isinstance(evaluator, GenerativeEvaluator)
    moved = x + torch.tensor([3.0, 4.0])
    module.forward = lambda _: moved  # type: ignore[method-assign, assignment]
    for _ in range(2):
        evaluator.start("val")
        evaluator.update("val", (x, torch.zeros(7)), 0)
        values = evaluator.compute("val")
        assert float(values["wasserstein"]) == pytest.approx(5, rel=1e-5)
        assert 0 < float(values["sliced_wasserstein"]) < 5


def test_networks_that_fit_pass() -> None:
    generator, critic = networks()
    check_shapes(generator(torch.randn(3, 3)), critic, (2,))
    with pytest.raises(
        ValueError, match=r"returns samples of shape \[2\] but the data"
    ):
        check_shapes(generator(torch.randn(3, 3)), critic, (3,))
