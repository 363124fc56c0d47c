"""CriticWeights on real fits of a few steps."""

from pathlib import Path

import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from callbacks.critics.critic_weights import CriticWeights, clip_saturation
from lightning_modules import (
    WGAN,
    WGANGP,
    MLPCritic,
    MLPGenerator,
)
from tests.support.games import fit, logged, make, still


def test_saturation_counts_the_weights_at_either_bound() -> None:
    weights = torch.tensor([0.3, -0.3, 0.2999, 0.0]).clamp(-0.3, 0.3)
    assert clip_saturation(weights, 0.3) == 0.5


def test_a_clip_that_all_weights_exceed_saturates_all_of_them() -> None:
    # Without learning, clipping alone decides where the weights are.
    model = make(WGAN, clip=1e-9, critic_optimizer=still)
    trainer = fit(model, CriticWeights(2))
    assert trainer.callback_metrics["train/clip_saturation"] == 1.0


def test_a_clip_that_no_weight_reaches_saturates_none() -> None:
    trainer = fit(make(WGAN, clip=100.0), CriticWeights(2))
    assert trainer.callback_metrics["train/clip_saturation"] == 0.0


def test_only_weights_that_are_clipped_count() -> None:
    critic = MLPCritic((2,), hidden=(8,), norm="layer", init="default")
    model = WGAN(
        MLPGenerator(3, (2,), hidden=(8,)),
        critic,
        clip=1e-9,
        clip_norm_layers=False,
        n_critic=2,
        critic_optimizer=still,
    )
    trainer = fit(model, CriticWeights(2))
    assert trainer.callback_metrics["train/clip_saturation"] == 1.0


def test_a_method_without_clipping_has_no_saturation_but_a_histogram(
    tmp_path: Path,
) -> None:
    trainer = fit(make(WGANGP), CriticWeights(2))
    assert "train/clip_saturation" not in trainer.callback_metrics
    folder = tmp_path / "images" / "critic_weights"
    assert {path.name for path in folder.iterdir()} == {"2.png", "4.png"}


def test_saturation_reaches_the_logger_at_steps_that_it_does_not_log_itself(
    tmp_path: Path,
) -> None:
    logger = CSVLogger(tmp_path)
    fit(make(WGAN), CriticWeights(3), logger=logger, steps=7)
    assert set(logged(logger, "train/clip_saturation")) == {3, 6}


def test_tensorboard_gets_the_histogram_of_all_critic_weights(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path)
    model = make(WGAN)
    fit(model, CriticWeights(4), logger=logger)
    logger.finalize("success")
    (event,) = (
        EventAccumulator(str(logger.log_dir)).Reload().Histograms("critic_weights")
    )
    assert event.step == 4
    assert event.histogram_value.num == sum(
        p.numel() for p in model.critic.parameters()
    )
