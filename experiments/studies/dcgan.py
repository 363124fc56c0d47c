"""Small DCGANs: their generators after several epochs of training."""

from collections.abc import Sequence
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import LambdaCallback
from torch import nn

from datamodules import MNIST, Digits
from experiments.studies.critics import in_double, seeded
from experiments.trainers import quiet_trainer
from lightning_modules import GAN, ConvCritic, ConvGenerator

Shape = tuple[int, int, int]


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
