"""Small pairs of users and items, and a quiet trainer, for tests of rankers."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from datamodules.recommendation.base import InteractionData, SplitPairs
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.planted import PlantedInteractions
from lightning_modules.core.module import AlternatingModule
from lightning_modules.core.random import RandomStream
from lightning_modules.data_contracts.sparse_rows import Rows
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.cml import CML
from tests.support.trainers import QUIET_TRAINER

SMALL: dict[str, Any] = {"n_users": 30, "n_items": 40, "n_taken": 10, "dim": 2}


def trainer(**options: Any) -> pl.Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
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


def trained(
    model: CML, steps: int = 3, given: InteractionData | None = None, **options: Any
) -> pl.Trainer:
    pl.seed_everything(0, verbose=False)
    run = trainer(max_steps=steps, **options)
    run.fit(model, given or planted())
    return run


def points(model: CML) -> tuple[Tensor, Tensor]:
    return model.users.weight.detach().clone(), model.items.weight.detach().clone()


def prepared(**options: Any) -> CML:
    """A model with tables and data, before any step."""
    model = CML(dim=3, **options)
    trained(model, 0)
    model.noise = RandomStream(0, 0, "train")
    return model


def featured(**options: Any) -> Given:
    """Four groups of items with a feature each; the last item of a group is new."""
    group = torch.arange(40) % 4
    users = torch.arange(24)
    likes = (users[:, None] % 4) == group
    draw = torch.rand(24, 40, generator=torch.Generator().manual_seed(1))
    new = torch.arange(40) >= 36
    features = torch.nn.functional.one_hot(group, 4).float()
    train = likes & (draw < 0.6) & ~new
    return Given(train, likes & ~train & new, features, **options)


def matrices(users: int = 12, items: int = 9) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    parts = torch.rand(users, items, generator=generator)
    parts[:, 0] = 0.1  # everybody took the first item
    return parts < 0.4, parts > 0.8
