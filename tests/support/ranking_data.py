"""Small pairs of users and items, and a quiet trainer, for tests of rankers."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from datamodules.recommendation.base import InteractionData, SplitPairs
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.planted import PlantedInteractions
from lightning_modules.core.module import AlternatingModule
from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.data_contracts.user_items import UserItems

SMALL: dict[str, Any] = {"n_users": 30, "n_items": 40, "n_taken": 10, "dim": 2}


def trainer(**options: Any) -> pl.Trainer:
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "max_epochs": -1,
        "check_val_every_n_epoch": 10_000,
        "use_distributed_sampler": False,
    }
    return pl.Trainer(**(settings | options))


def planted(**options: Any) -> PlantedInteractions:
    return PlantedInteractions(**(SMALL | {"batch_size": 16} | options))


class Given(InteractionData):
    """Pairs from matrices of zeros and ones (n_users, n_items)."""

    def __init__(
        self, train: Tensor, test: Tensor, features: Rows | None = None, **options: Any
    ) -> None:
        super().__init__(**({"batch_size": 4} | options))
        self.given = train, test, features

    def read(self) -> SplitPairs:
        train, test, features = self.given
        none = torch.zeros_like(train)
        learnt, chosen, kept = (of_matrix(part) for part in (train, none, test))
        return SplitPairs(learnt, chosen, kept, Catalogue(features=features))


def of_matrix(matrix: Tensor) -> UserItems:
    users, items = matrix.nonzero(as_tuple=True)
    return UserItems.from_pairs(users, items, *matrix.shape)


def fitted(
    model: AlternatingModule, data: InteractionData, **options: Any
) -> pl.Trainer:
    """Trained for one epoch, or solved."""
    pl.seed_everything(0, verbose=False)
    run = trainer(**({"max_epochs": 1, "limit_val_batches": 0} | options))
    run.fit(model, data)
    return run
