"""Training small generators on digits while something is measured."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from callbacks import UpdateProgress
from callbacks.core.scalars import due
from datamodules import Digits
from experiments.studies.critics import KINDS, seeded
from experiments.studies.study import Row
from lightning_modules import MLPCritic, MLPGenerator
from lightning_modules.core.alternating import evaluating
from lightning_modules.generative.base import GenerativeModule

Look = Callable[[GenerativeModule, Digits, int], Row]


def digits_module(
    method: str, width: int, latent_dim: int, lr: float, seed: int, **settings: Any
) -> GenerativeModule:
    """A method with a generator and a critic of three hidden layers each.

    Args:
        method: ``gan``, ``wgan`` or ``wgan_gp``.
        width: Neurons of each hidden layer.
        latent_dim: Width of the noise.
        lr: Learning rate of both.
        seed: Seed of the initial weights; the same for each method gives the same.
        settings: Further arguments of the method.
    """

    def networks() -> nn.Module:
        hidden = (width,) * 3
        generator = MLPGenerator(latent_dim, (1, 8, 8), hidden, output="tanh")
        critic = MLPCritic((1, 8, 8), hidden, activation="leaky_relu")
        return nn.ModuleList([generator, critic])

    pair: Any = seeded(networks, seed)
    cls, optimizer = KINDS[method]

    def made(parameters: Any) -> Any:
        return optimizer(parameters, lr=lr)

    return cls(*pair, critic_optimizer=made, generator_optimizer=made, **settings)


def fit_watched(
    module: GenerativeModule, data: Digits, steps: int, every: int, look: Look
) -> list[Row]:
    """Train, and call ``look(module, data, step)`` now and then.

    Args:
        module: What is trained.
        data: On what.
        steps: Generator updates.
        every: Updates between two looks.
        look: Measures; with the critic in eval mode and without gradients.

    Returns:
        What the looks returned, each with its ``step``.
    """
    watch = _Watch(data, every, look)
    pl.seed_everything(data.seed, verbose=False)
    pl.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        callbacks=[watch, UpdateProgress()],
    ).fit(module, datamodule=data)
    return watch.rows


class _Watch(pl.Callback):
    def __init__(self, data: Digits, every: int, look: Look) -> None:
        self.data, self.every, self.look = data, every, look
        self.rows: list[Row] = []

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        if not due(trainer, pl_module, self.every):
            return
        assert isinstance(pl_module, GenerativeModule)
        step = trainer.global_step
        with evaluating(pl_module.critic):
            self.rows.append({"step": step, **self.look(pl_module, self.data, step)})
