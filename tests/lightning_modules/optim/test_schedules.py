"""Schedules last as long as training does; optimizers have the papers' settings."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules import (
    GAN,
    WDGRL,
    WGAN,
    WGANGP,
    GANAdam,
    LinearDecay,
    OneCycle,
    WGANGPAdam,
    WGANRMSprop,
)
from lightning_modules.core.public_names import accepted_names
from lightning_modules.optim.schedules import one_cycle
from tests.support.methods import build
from tests.support.shipped import METHODS, topic_of
from tests.support.trainers import QUIET_TRAINER

SCHEDULED = [
    cls for cls in METHODS if any("scheduler" in k for k in accepted_names(cls))
]
LENGTHS = [{"max_steps": 6, "max_epochs": -1}, {"max_epochs": 3}]


def each(argument: str, classes: Sequence[type]) -> pytest.MarkDecorator:
    """One test for each class, named after it."""
    return pytest.mark.parametrize(argument, classes, ids=lambda cls: cls.__name__)


every_length = pytest.mark.parametrize("length", LENGTHS, ids=["steps", "epochs"])


def scheduled(
    cls: Any, schedule: Any, **options: Any
) -> tuple[LightningModule, LightningDataModule]:
    keys = [key for key in accepted_names(cls) if key.endswith("scheduler")]
    return build(cls, **dict.fromkeys(keys, schedule), **options)


class Rates(Callback):
    """The learning rates of each batch, in parts of the first optimizers' own."""

    def __init__(self, stop: int | None = None, path: Path = Path()) -> None:
        self.stop, self.path = stop, path
        self.seen: list[tuple[int, list[float]]] = []

    def on_train_batch_start(self, trainer: Trainer, *_: object) -> None:
        groups = [group for o in trainer.optimizers for group in o.param_groups]
        shares = [group["lr"] / group["initial_lr"] for group in groups]
        self.seen.append((trainer.global_step, shares))

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        if trainer.global_step == self.stop:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


def fit(
    module: LightningModule, data: LightningDataModule, rates: Rates, **options: Any
) -> Trainer:
    resumed = {k: options.pop(k) for k in ("ckpt_path",) if k in options}
    trainer = Trainer(
        **QUIET_TRAINER,
        callbacks=[rates],
        limit_val_batches=0,
        **options,
    )
    trainer.fit(module, data, **resumed, weights_only=True)
    return trainer


def falls(rates: Rates, total: int) -> None:
    """The rates fall linearly over the counted steps, from 1 to 1 / total.

    Batches that are too few for another step train the critic at the rate 0.
    """
    assert {step for step, _ in rates.seen} - {total} == set(range(total))
    for step, shares in rates.seen:
        assert shares == pytest.approx([1 - step / total] * len(shares))


@every_length
@each("cls", SCHEDULED)
def test_a_linear_decay_falls_over_the_counted_steps_of_every_method(
    cls: type[LightningModule], length: dict[str, Any]
) -> None:
    rates = Rates()
    trainer = fit(*scheduled(cls, LinearDecay), rates, **length)
    falls(rates, trainer.global_step)
    assert trainer.global_step > 1
    ends = [group["lr"] for o in trainer.optimizers for group in o.param_groups]
    assert ends == pytest.approx([0.0] * len(ends))


@each("cls", SCHEDULED)
def test_one_cycle_rises_and_falls_over_the_counted_steps_of_every_method(
    cls: type[LightningModule],
) -> None:
    rates = Rates()
    fit(*scheduled(cls, OneCycle), rates, max_steps=8, max_epochs=-1)
    for step, shares in rates.seen:
        expected = one_cycle((step + 0.5) / 8)
        assert shares == pytest.approx([expected] * len(shares))
        assert expected > 0


@every_length
@pytest.mark.parametrize("n_critic", [1, 5])
@each("cls", [GAN, WGAN, WGANGP, WDGRL])
def test_critic_updates_do_not_count(
    cls: type[LightningModule], n_critic: int, length: dict[str, Any]
) -> None:
    """21 batches are 21 counted steps, or 4 where the generator waits for 5."""
    rates = Rates()
    fit(*scheduled(cls, LinearDecay, n_critic=n_critic), rates, **length)
    waits = n_critic if topic_of(cls) == "generative" else 1
    falls(rates, 6 if "max_steps" in length else 21 // waits)


@every_length
def test_batches_of_the_warm_up_do_not_count(length: dict[str, Any]) -> None:
    """The first two steps and the fifth wait for 4 batches, the others for 2."""
    module, data = scheduled(WGAN, LinearDecay, n_critic=2, warmup=True)
    assert isinstance(module, WGAN)
    assert module.turns.warmup is not None
    module.turns.warmup = module.turns.warmup._replace(batches=4, first=2, every=4)
    rates = Rates()
    fit(module, data, rates, **length)
    falls(rates, 6 if "max_steps" in length else 7)  # 4 + 4 + 2 + 2 + 4 + 2 + 2 of 21


@every_length
@each("schedule", [LinearDecay, OneCycle])
def test_a_resumed_run_goes_on_along_the_same_rates(
    schedule: type[LRScheduler], length: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "one.ckpt"
    whole, first, rest = Rates(), Rates(3, path), Rates()
    for rates in (whole, first):
        fit(*scheduled(WGANGP, schedule, n_critic=3), rates, **length)
    fit(*scheduled(WGANGP, schedule, n_critic=3), rest, **length, ckpt_path=path)
    assert first.seen + rest.seen == whole.seen
    assert len(rest.seen) > 3


@each("schedule", [LinearDecay, OneCycle])
def test_a_training_that_is_prolonged_goes_on_at_the_rates_of_its_new_length(
    schedule: Any, tmp_path: Path
) -> None:
    path = tmp_path / "one.ckpt"
    ended = fit(*scheduled(GAN, schedule), Rates(), max_steps=2, max_epochs=-1)
    ended.save_checkpoint(path)
    whole, rest = Rates(), Rates()
    fit(*scheduled(GAN, schedule), whole, max_steps=5, max_epochs=-1)
    module, data = scheduled(GAN, schedule)
    fit(module, data, rest, max_steps=5, max_epochs=-1, ckpt_path=path)
    assert rest.seen == whole.seen[2:]


@each("schedule", [LinearDecay, OneCycle])
def test_a_training_without_an_end_is_refused(schedule: type[LRScheduler]) -> None:
    with pytest.raises(
        ValueError, match=r"lasts until training ends: set [^.]*\.max_e"
    ):
        fit(*scheduled(WGANGP, schedule), Rates(), max_epochs=-1)


@each("schedule", [LinearDecay, OneCycle])
def test_outside_of_a_module_the_length_is_asked_for_in_one_sentence(
    schedule: type[LRScheduler],
) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    alone = schedule(optimizer)
    optimizer.step()
    with pytest.raises(ValueError, match="does not know how long training las") as one:
        alone.step()
    assert str(one.value).count(".") == 1


@each("schedule", [LinearDecay, OneCycle])
def test_a_given_length_is_kept(schedule: Any) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    given = schedule(optimizer, total_iters=3)
    given.spread_over(math.inf)
    assert given.total_iters == 3


pytestmark = pytest.mark.filterwarnings(
    # these fits have nothing to validate
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)


def test_optimizers_carry_the_settings_of_the_papers() -> None:
    weights = [nn.Parameter(torch.zeros(1))]
    assert (GANAdam(weights).defaults["lr"], GANAdam(weights).defaults["betas"]) == (
        2e-4,
        (0.5, 0.999),
    )
    assert WGANRMSprop(weights).defaults["lr"] == 5e-5
    gp = WGANGPAdam(weights).defaults
    assert (gp["lr"], gp["betas"]) == (1e-4, (0.0, 0.9))
