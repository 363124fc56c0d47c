"""Alternating training of small generators and critics on digits, with measurements."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch import nn

from callbacks import UpdateProgress
from callbacks.core.every_n_steps import step_ended
from datamodules import Digits
from experiments.studies.critics import gan_module, seeded
from experiments.studies.study import Row
from experiments.trainers import quiet_trainer
from lightning_modules import MLPCritic, MLPGenerator
from lightning_modules.core.alternating import evaluating
from lightning_modules.generative.base import GenerativeModule

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
