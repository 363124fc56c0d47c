"""When callbacks that count updates act."""

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from callbacks.critics.critic_weights import CriticWeights
from callbacks.critics.gradient_norms import GradientNorms
from callbacks.critics.transport_monitor import TransportMonitor
from lightning_modules import (
    GAN,
    WGAN,
    WGANGP,
)
from tests.support.games import Game, fit, make


@pytest.mark.parametrize("kind", [GAN, WGAN, WGANGP])
def test_watching_changes_no_weight_and_no_random_number(kind: type[Game]) -> None:
    plain, watched = make(kind), make(kind)
    fit(plain)
    fit(watched, TransportMonitor(1, n=8), GradientNorms(1), CriticWeights(2))
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, watched.state_dict()[name]), name
    assert torch.equal(plain.noise.state, watched.noise.state)


@pytest.mark.parametrize("cls", [TransportMonitor, CriticWeights, GradientNorms])
def test_an_interval_below_one_is_refused_by_name(cls: Any) -> None:
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, got 0"):
        cls(0)


class Steps(EveryNSteps):
    """Keeps the steps at which it acted."""

    def __init__(self, every_n_steps: int | None) -> None:
        super().__init__(every_n_steps)
        self.steps: list[int] = []

    @override
    def on_step(self, trainer: Trainer, pl_module: Any, batch: Any) -> None:
        self.steps.append(trainer.global_step)


@pytest.mark.parametrize(
    ("every", "steps"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4]), (7, []), (None, [])]
)
def test_it_acts_once_at_each_multiple_and_not_in_the_critics_batches(
    every: int | None, steps: list[int]
) -> None:
    callback = Steps(every)
    fit(make(WGANGP, n_critic=3), callback, steps=5)
    assert callback.steps == steps


def test_every_batch_of_a_module_without_a_critic_is_a_step() -> None:
    callback = Steps(1)
    Trainer(
        accelerator="cpu", max_steps=3, callbacks=[callback], logger=False,
        enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0,
    ).fit(BoringModel())  # fmt: skip
    assert callback.steps == [1, 2, 3]
