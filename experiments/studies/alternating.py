"""Alternating training of small networks, measured or copied meanwhile."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch import nn

from callbacks import UpdateProgress
from callbacks.core.every_n_steps import step_ended
from datamodules import MNIST, Digits
from experiments.studies.critics import gan_module, in_double, seeded
from experiments.studies.study import Row
from experiments.trainers import quiet_trainer
from lightning_modules import GAN, ConvCritic, ConvGenerator, MLPCritic, MLPGenerator
from lightning_modules.core.alternating import evaluating
from lightning_modules.generative.base import GenerativeModule

Shape = tuple[int, int, int]
Measurement = Callable[[GenerativeModule, Digits, int], Row]


def digits_module(
    method: str, width: int, latent_dim: int, lr: float, seed: int, **options: Any
) -> GenerativeModule:
    """A method with a generator and a critic of three hidden layers each.

    Args:
        method: ``gan``, ``wgan`` or ``wgan_gp``.
        width: Neurons of each hidden layer.
        latent_dim: Width of the noise.
        lr: Learning rate of both.
        seed: Seed of the initial weights; the same for each method gives the same.
        **options: See `gan_module`.
    """

    def networks() -> nn.Module:
        hidden = (width,) * 3
        generator = MLPGenerator(latent_dim, (1, 8, 8), hidden, output="tanh")
        critic = MLPCritic((1, 8, 8), hidden, activation="leaky_relu")
        return nn.ModuleList([generator, critic])

    generator, critic = seeded(networks, seed).children()
    return gan_module(method, generator, critic, lr, **options)


def fit_and_measure(
    module: GenerativeModule, data: Digits, steps: int, every: int, measure: Measurement
) -> list[Row]:
    """Train, and call ``measure(module, data, step)`` now and then.

    Args:
        module: What is trained.
        data: On what.
        steps: Generator updates.
        every: Updates between two measurements.
        measure: Called with the critic in eval mode and without gradients.

    Returns:
        The measurements, each with its ``step``.
    """
    rows: list[Row] = []

    @torch.no_grad()
    def record(trainer: pl.Trainer, *_: object) -> None:
        step = trainer.global_step
        if step_ended(module) and step % every == 0:
            with evaluating(module.critic):
                rows.append({"step": step, **measure(module, data, step)})

    pl.seed_everything(data.seed, verbose=False)
    recorder = LambdaCallback(on_train_batch_end=record)
    trainer = quiet_trainer(max_steps=steps, callbacks=[recorder, UpdateProgress()])
    trainer.fit(module, datamodule=data)
    return rows


def conv_critic(
    shape: Shape, width: int, norm: Literal["batch", "none"], seed: int
) -> nn.Module:
    """A convolutional critic, with initial weights from this seed."""
    options = _sides(shape, width)
    return seeded(lambda: ConvCritic(shape, norm=norm, **options), seed)


def _sides(shape: Shape, width: int) -> dict[str, Any]:
    return {"smallest_side": 2 if shape[1] < 16 else 4, "width": width}


def generators(
    data: Digits | MNIST, epochs: Sequence[int], width: int, latent_dim: int, seed: int
) -> dict[int, nn.Module]:
    """A DCGAN's generator after each of these epochs of its training."""
    shape: Any = data.shape
    options = _sides(shape, width)

    def generator() -> nn.Module:
        return ConvGenerator(latent_dim, shape, norm="batch", **options)

    critic = conv_critic(shape, width, "batch", seed + 1)
    module = GAN(seeded(generator, seed), critic)
    snapshots: dict[int, nn.Module] = {}

    def keep(trainer: pl.Trainer, *_: object) -> None:
        if (epoch := trainer.current_epoch + 1) in epochs:
            snapshots[epoch] = in_double(module.generator).float()

    pl.seed_everything(seed, verbose=False)
    trainer = quiet_trainer(
        max_epochs=max(epochs), callbacks=[LambdaCallback(on_train_epoch_end=keep)]
    )
    trainer.fit(module, datamodule=data)
    return snapshots
