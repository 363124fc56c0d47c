"""A small shop whose customers and goods have names, and models of it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from datamodules.recommendation.base import SplitPairs
from datamodules.recommendation.catalogue import Catalogue
from datamodules.recommendation.planted import PlantedInteractions
from lightning_modules.data_contracts.user_items import UserItems
from lightning_modules.recommendation.cml import CML
from lightning_modules.recommendation.evaluation import Sizes
from tests.support.trainers import QUIET_TRAINER

N_USERS, N_ITEMS = 23, 40
USERS = np.array([f"customer {n:03d}" for n in range(N_USERS)][::-1])
ITEMS = np.array([2**40 + 7 * n for n in range(N_ITEMS)])
NAMES = [f"*good* | {n}\n$x_{n}$" for n in range(N_ITEMS)]


class Shop(PlantedInteractions):
    """Users with ids in words, items with ids beyond float32 and names for people."""

    named = True

    def __init__(self, **options: Any) -> None:
        sizes = {"n_users": N_USERS, "n_items": N_ITEMS, "n_taken": 10, "dim": 2}
        sizes["seed"] = 4  # of few, with which no item is without a training pair
        super().__init__(**(sizes | {"batch_size": 16, "eval_batch_size": 5} | options))

    def read(self) -> SplitPairs:
        found = super().read()
        weights = torch.linspace(0, 2, N_ITEMS)
        features = torch.stack([weights, (weights > 1).float()], dim=1)
        names = NAMES if self.named else ()
        catalogue = Catalogue(USERS, ITEMS, names, features, ("weight", "heavy"))
        return SplitPairs(found.train, found.val, found.test, catalogue)


class NamelessShop(Shop):
    """The same without names of items."""

    named = False


class Warehouse(PlantedInteractions):
    """Data without any ids, where every user takes all items but three."""

    def __init__(self, **options: Any) -> None:
        sizes: Any = {"n_users": 6, "n_items": 20, "n_taken": 17, "seed": 1}
        super().__init__(batch_size=8, **sizes, **options)


class Nothing(LightningModule):
    """A module that ranks nothing."""

    @override
    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        return torch.zeros(len(batch))

    def training_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> None:
        pass


class Launch(Shop):
    """A shop whose last ten goods were never sold."""

    def read(self) -> SplitPairs:
        found = super().read()
        parts = (found.train, found.val, found.test)
        train, val, test = (self._sold(part) for part in parts)
        return SplitPairs(train, val, test, found.catalogue)

    def _sold(self, part: UserItems) -> UserItems:
        old = part.items < 30
        pairs = part.users[old], part.items[old]
        return UserItems.from_pairs(*pairs, N_USERS, N_ITEMS)


def placed(n_users: int = N_USERS, n_items: int = N_ITEMS, **options: Any) -> CML:
    """A model whose points are where they begin."""
    torch.manual_seed(0)
    model = CML(**{"dim": 3, "ks": (4,), **options})
    model.evaluator._make(Sizes(n_users, n_items, 2))
    return model


def trainer(*callbacks: Any, **options: Any) -> Trainer:
    settings: dict[str, Any] = {
        **QUIET_TRAINER,
        "devices": 1,
        "num_sanity_val_steps": 0,
        "max_steps": 6,
        "max_epochs": -1,
        "use_distributed_sampler": False,
        "callbacks": list(callbacks),
    }
    return Trainer(**{**settings, **options})


def fit(
    folder: Path, callback: Any, model: Any = None, data: Any = None, **options: Any
) -> Any:
    torch.manual_seed(0)
    model = model or CML(dim=3, ks=(4,))
    given = {"default_root_dir": folder, "check_val_every_n_epoch": 1, **options}
    trainer(callback, **given).fit(model, data or Shop())
    return model


def expected_tops(model: CML, data: PlantedInteractions, k: int) -> dict[int, Any]:
    """Items and their distances by user, computed one user at a time."""
    data.setup()
    users, items = model.users.weight.detach(), model.items.weight.detach()
    tops = {}
    for user in range(len(users)):
        apart = (users[user] - items).norm(dim=1)
        taken = data.interactions("all").of(torch.tensor([user])).items
        left = sorted(set(range(len(items))) - set(taken.tolist()))
        best = sorted(left, key=lambda item: float(apart[item]))[:k]
        tops[user] = [(item, float(apart[item])) for item in best]
    return tops


def read(path: Any) -> polars.DataFrame:
    if path.suffix == ".csv":
        return polars.read_csv(path)
    return polars.read_parquet(path)
