from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.demos.boring_classes import BoringModel
from torch import Tensor, nn
from typing_extensions import override

from callbacks import WeightEMA, averaged_network, load_averaged
from lightning_modules.generative.wgan_gp import WGANGP
from lightning_modules.networks import MLPCritic, MLPGenerator
from tests.support.trainers import Loader

Weights = dict[str, Tensor]


NUMBERS = torch.Generator().manual_seed(0)
BATCHES = Loader(torch.randn(8, 2, generator=NUMBERS) for _ in range(6))
SAMPLE_NUMBERS = Loader([torch.arange(3)])


def make(n_critic: int = 2) -> WGANGP:
    seed_everything(0, verbose=False)
    return WGANGP(MLPGenerator(2, (2,)), MLPCritic((2,)), n_critic=n_critic)


def trainer(*callbacks: Callback, **settings: Any) -> Trainer:
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
    }
    limits = {"max_epochs": 2, "limit_val_batches": 0} | settings
    return Trainer(accelerator="cpu", callbacks=[*callbacks], **quiet, **limits)


def weights(module: LightningModule) -> Weights:
    state = module.get_submodule("generator").state_dict()
    return {k: v.clone() for k, v in state.items()}


def same(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Record(Callback):
    """Notes the generator's weights at the start, after updates and in evaluations."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.trained: list[Weights] = []
        self.evaluated: list[Weights] = []
        self.during = during

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.trained.append(weights(pl_module))

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:  # fmt: skip
        if pl_module.step_ended:
            self.trained.append(weights(pl_module))

    def _evaluate(self, pl_module: LightningModule) -> None:
        self.evaluated.append(weights(pl_module))
        self.during()

    @override
    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any
    ) -> None:
        self._evaluate(pl_module)

    @override
    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any
    ) -> None:
        self._evaluate(pl_module)

    @override
    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any
    ) -> None:
        self._evaluate(pl_module)


@pytest.mark.parametrize("warmup", [False, True])
def test_the_average_after_k_updates_has_the_closed_form(warmup: bool) -> None:
    ema, record, module = WeightEMA(0.6, warmup), Record(), make()
    trainer(ema, record).fit(module, BATCHES, BATCHES)
    assert (
        ema.updates == len(record.trained) - 1 == 6
    )  # of 12 batches: critic's skipped
    expected = {k: v.double() for k, v in record.trained[0].items()}
    for t, new in enumerate(record.trained[1:], start=1):
        d = min(0.6, (1 + t) / (10 + t)) if warmup else 0.6
        expected = {k: d * v + (1 - d) * new[k] for k, v in expected.items()}
    for name, mean in ema.state_dict()["shadow"].items():
        torch.testing.assert_close(mean.double(), expected[name], rtol=1e-6, atol=1e-7)


def test_the_callback_changes_no_trained_weight() -> None:
    states = []
    for callbacks in ([], [WeightEMA(0.5)]):
        module = make()
        trainer(*callbacks, limit_val_batches=1).fit(module, BATCHES, BATCHES)
        states.append({k: v.clone() for k, v in module.state_dict().items()})
    assert same(*states)


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_evaluation_sees_the_average_and_leaves_the_weights_bit_identical(
    stage: str,
) -> None:
    ema, record, module = WeightEMA(0.5), Record(), make()
    run = trainer(ema, record)
    run.fit(module, BATCHES, BATCHES)
    before, critic = weights(module), module.critic.state_dict()
    batches = SAMPLE_NUMBERS if stage == "predict" else BATCHES
    settings = {} if stage == "predict" else {"verbose": False}
    run.limit_val_batches = 1.0
    getattr(run, stage)(module, batches, **settings)
    assert same(record.evaluated[-1], ema.state_dict()["shadow"])
    assert not same(record.evaluated[-1], before)
    assert same(weights(module), before)
    assert same(module.critic.state_dict(), critic)


def test_validation_within_training_sees_the_average_of_that_moment() -> None:
    ema, record, module = WeightEMA(0.5), Record(), make()
    trainer(ema, record, limit_val_batches=1).fit(module, BATCHES, BATCHES)
    sanity, first, second = record.evaluated
    assert same(sanity, record.trained[0])
    assert not same(first, second)
    assert same(second, ema.state_dict()["shadow"])
    assert same(weights(module), record.trained[-1])


def test_the_weights_come_back_when_validation_raises() -> None:
    ema, module = WeightEMA(0.5), make()

    def fail() -> None:
        if ema.updates:
            raise ZeroDivisionError

    record = Record(fail)
    with pytest.raises(ZeroDivisionError):
        trainer(ema, record, limit_val_batches=1).fit(module, BATCHES, BATCHES)
    assert not same(record.evaluated[-1], weights(module))
    assert same(record.trained[-1], weights(module))


def test_a_checkpoint_saved_while_the_average_is_swapped_in_holds_the_trained_weights(
    tmp_path: Path,
) -> None:
    path, ema, module = tmp_path / "x.ckpt", WeightEMA(0.5), make()
    record = Record(lambda: run.save_checkpoint(path))
    run = trainer(ema, record, limit_val_batches=1)
    run.fit(module, BATCHES, BATCHES)
    state = torch.load(path, weights_only=True)["state_dict"]
    stored = {k.removeprefix("generator."): v for k, v in state.items() if k[0] == "g"}
    assert same(stored, record.trained[-1])


def test_an_average_that_was_never_updated_is_not_swapped_in() -> None:
    ema, record, module = WeightEMA(), Record(), make()
    trainer(ema, record, limit_val_batches=1).validate(module, BATCHES, verbose=False)
    assert same(record.evaluated[0], weights(module))
    assert ema.state_dict() == {}


def test_evaluating_a_checkpoint_uses_the_average_that_it_holds(tmp_path: Path) -> None:
    path, ema = tmp_path / "x.ckpt", WeightEMA(0.5)
    run = trainer(ema)
    run.fit(make(), BATCHES, BATCHES)
    run.save_checkpoint(path)
    record, fresh = Record(), make()
    trainer(WeightEMA(), record).predict(fresh, SAMPLE_NUMBERS, ckpt_path=path)
    assert same(record.evaluated[0], ema.state_dict()["shadow"])
    other = make()
    load_averaged(other, path)
    assert same(weights(other), ema.state_dict()["shadow"])


def test_samples_are_drawn_from_the_average_where_there_is_one() -> None:
    ema, module = WeightEMA(0.5), make()
    run = trainer(ema)
    run.fit(module, BATCHES, BATCHES)
    before = weights(module)
    with averaged_network(run, module) as generator:
        assert same(weights(module), ema.state_dict()["shadow"])
        with averaged_network(run, module):  # inside another block: no swap
            assert same(weights(module), ema.state_dict()["shadow"])
        assert same(weights(module), ema.state_dict()["shadow"])
    assert generator is module.generator
    assert same(weights(module), before)
    with averaged_network(trainer(), module):
        assert same(weights(module), before)


def mean_of(norm: nn.BatchNorm1d) -> Tensor:
    assert norm.running_mean is not None
    return norm.running_mean


def test_buffers_are_the_trained_generators_and_come_back() -> None:
    norm = nn.BatchNorm1d(2)
    net, module, ema = (
        nn.Sequential(nn.Linear(2, 2), norm),
        BoringModel(),
        WeightEMA(),
    )
    module.generator = module.averaged = net
    ema.on_fit_start(trainer(), module)
    net(torch.randn(5, 2))
    ema.update(net)
    live = weights(module)
    with ema.averaged(module):
        assert mean_of(norm).equal(live["1.running_mean"])
        net(torch.randn(5, 2) + 3)  # a careless forward pass in training mode
        assert not mean_of(norm).equal(live["1.running_mean"])
    assert same(weights(module), live)


def test_small_steps_are_not_lost_in_half_precision() -> None:
    module = BoringModel()
    module.generator, ema = nn.Linear(1, 1).bfloat16(), WeightEMA(0.999)
    module.averaged = module.generator
    with torch.no_grad():
        module.generator.weight.fill_(1.0)
    ema.on_fit_start(trainer(), module)
    with torch.no_grad():
        module.generator.weight.fill_(2.0)
    for _ in range(100):
        ema.update(module.generator)
    expected = 2.0 - 0.999**100
    assert ema.state_dict()["shadow"]["weight"].item() == pytest.approx(expected, 1e-5)
    with ema.averaged(module):
        assert module.generator.weight.dtype == torch.bfloat16
        assert module.generator.weight.item() == pytest.approx(expected, 1e-2)
    assert module.generator.weight.item() == 2.0


def test_training_another_module_starts_a_new_average() -> None:
    ema, record = WeightEMA(0.5), Record()
    trainer(ema).fit(make(), BATCHES, BATCHES)
    trainer(ema, record, max_epochs=1).fit(make(n_critic=6), BATCHES, BATCHES)
    assert ema.updates == 1
    first, last = record.trained
    for name, mean in ema.state_dict()["shadow"].items():
        torch.testing.assert_close(mean, (first[name] + last[name]) / 2)


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"decay of WeightEMA must be in \[0, 1\)"):
        WeightEMA(decay)


def test_a_module_without_a_player_is_refused() -> None:
    with pytest.raises(ValueError, match="BoringModel has neither: remove it"):
        trainer(WeightEMA()).fit(BoringModel())


def test_the_average_of_another_network_is_refused(tmp_path: Path) -> None:
    path, run = tmp_path / "x.ckpt", trainer(WeightEMA(0.5))
    run.fit(make(), BATCHES, BATCHES)
    run.save_checkpoint(path)
    critic = MLPCritic((2,))
    for other in (MLPGenerator(3, (2,)), MLPGenerator(2, (2,), hidden=(512, 512))):
        module = WGANGP(other, critic, n_critic=2)
        with pytest.raises(ValueError, match="are those of other layers than"):
            load_averaged(module, path)
    resumed = WeightEMA(0.5)
    resumed.load_state_dict(
        torch.load(path, weights_only=True)["callbacks"]["WeightEMA"]
    )
    module = WGANGP(MLPGenerator(3, (2,)), critic, n_critic=2)
    with pytest.raises(ValueError, match="are those of other layers than"):
        trainer(resumed).fit(module, BATCHES, BATCHES)


def test_a_checkpoint_without_average_is_named(tmp_path: Path) -> None:
    path, run = tmp_path / "x.ckpt", trainer()
    run.fit(make(), BATCHES, BATCHES)
    run.save_checkpoint(path)
    with pytest.raises(ValueError, match=r"x\.ckpt' holds no averaged weights"):
        load_averaged(make(), path)
