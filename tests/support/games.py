"""Small games of a generator and a critic, and a fit of a few steps."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lightning_modules import (
    MLPCritic,
    MLPGenerator,
    WGANRMSprop,
)
from lightning_modules.core.module import AlternatingModule
from lightning_modules.generative.base import GenerativeModule
from tests.support.trainers import QUIET_TRAINER

Game = GenerativeModule


def networks() -> tuple[MLPGenerator, MLPCritic]:
    torch.manual_seed(0)
    return MLPGenerator(3, (2,), hidden=(8,)), MLPCritic((2,), hidden=(8,))


def batches(n: int, size: int = 4) -> DataLoader[Tensor]:
    x = torch.randn(n * size, 2, generator=torch.Generator().manual_seed(1))
    return DataLoader(x, batch_size=size)  # type: ignore[arg-type]


def points(n: int = 8) -> DataLoader[Tensor]:
    return DataLoader(torch.randn(n, 2), batch_size=4)  # type: ignore[arg-type]


def trainer(**options: Any) -> Trainer:
    defaults = {
        **QUIET_TRAINER,
        "max_epochs": 1,
    }
    return Trainer(**{**defaults, **options})


def make(kind: Callable[..., Game], **arguments: Any) -> Game:
    torch.manual_seed(0)
    arguments = {"n_critic": 2} | arguments
    generator = MLPGenerator(3, (2,), hidden=(8,))
    return kind(generator, MLPCritic((2,), hidden=(8, 8), init="default"), **arguments)


def fit(
    model: Game, *callbacks: Callback, logger: Logger | bool = False, steps: int = 4
) -> Trainer:
    torch.manual_seed(7)
    x = torch.randn(160, 2, generator=torch.Generator().manual_seed(1))
    loader = DataLoader(TensorDataset(x, x), batch_size=8)
    trainer = Trainer(
        max_steps=steps,
        max_epochs=-1,
        callbacks=list(callbacks),
        limit_val_batches=0,
        log_every_n_steps=50,
        **QUIET_TRAINER | {"logger": logger},
    )
    trainer.fit(model, loader, loader)
    return trainer


class Spy(Callback):
    """Keeps the gradients that each optimizer is about to use."""

    def __init__(self) -> None:
        self.seen: dict[str, Tensor] = {}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        name = "critic" if optimizer is trainer.optimizers[0] else "generator"
        module = pl_module.get_submodule(name)
        for key, weight in module.named_parameters():
            assert weight.grad is not None
            self.seen[f"{name}.{key}"] = weight.grad.clone()


def keep_batches(module: AlternatingModule, batches: list[Any]) -> None:
    """Have a module put what it prepares into a list."""
    prepare = module.prepare

    def prepare_and_keep(batch: Any) -> Any:
        batches.append(batch)
        return prepare(batch)

    module.prepare = prepare_and_keep  # type: ignore[method-assign]


def still(parameters: Any) -> torch.optim.Optimizer:
    return WGANRMSprop(parameters, lr=0.0)


def logged(logger: CSVLogger, name: str) -> dict[int, float]:
    with Path(logger.log_dir, "metrics.csv").open() as file:
        return {
            int(row["step"]): float(row[name])
            for row in csv.DictReader(file)
            if row.get(name)
        }
