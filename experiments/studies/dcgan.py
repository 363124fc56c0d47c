"""Small DCGANs: their generators after several epochs of training."""

from collections.abc import Sequence
from typing import Any, Literal

import lightning.pytorch as pl
from torch import nn

from datamodules import MNIST, Digits
from experiments.studies.critics import in_double, seeded
from experiments.trainers import quiet_trainer
from lightning_modules import GAN, ConvCritic, ConvGenerator

Shape = tuple[int, int, int]


class _Snapshots(pl.Callback):
    """Copies the generator as it was after certain epochs."""

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs = epochs
        self.generators: dict[int, nn.Module] = {}

    def on_train_epoch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        epoch = trainer.current_epoch + 1
        if epoch in self.epochs:
            assert isinstance(pl_module, GAN)
            self.generators[epoch] = in_double(pl_module.generator).float()


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
    snapshots = _Snapshots(epochs)
    pl.seed_everything(seed, verbose=False)
    trainer = quiet_trainer(max_epochs=max(epochs), callbacks=[snapshots])
    trainer.fit(module, datamodule=data)
    return snapshots.generators
