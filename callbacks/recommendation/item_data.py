"""The users and items that a run is about, and the model that ranks them."""

from typing import Any

import lightning.pytorch as pl
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_modules.recommendation.base import ItemRanker


def item_data(callback: pl.Callback, trainer: pl.Trainer) -> Any:
    """The trainer's data module, an ``InteractionData``, which callbacks don't import.

    Raises:
        ValueError: If the data is not users and items.
    """
    data = getattr(trainer, "datamodule", None)
    if not hasattr(data, "catalogue"):
        found = "there is no data module" if data is None else type(data).__name__
        raise ValueError(
            f"{type(callback).__name__} needs data of users and items, such as "
            f"PlantedInteractions, and not what is set ({found}): take it out of "
            "trainer.callbacks."
        )
    return data


def item_ranker(callback: pl.Callback, module: pl.LightningModule) -> ItemRanker:
    """The module, or a sentence that the callback has nothing to do there.

    Raises:
        ValueError: If the module does not rank items.
    """
    if not isinstance(module, ItemRanker):
        raise ValueError(
            f"{type(callback).__name__} is for models that rank items for users, and "
            f"{type(module).__name__} is none: take it out of trainer.callbacks."
        )
    return module


def own_ids(ids: NDArray[Any] | None, rows: Tensor) -> NDArray[Any]:
    """The data's own ids (n,) of rows int64 (n,); the rows where it has none.

    >>> import torch
    >>> own_ids(np.array(["ann", "bob"]), torch.tensor([1, 0])).tolist()
    ['bob', 'ann']
    """
    numbers: NDArray[Any] = rows.cpu().numpy()
    return numbers if ids is None else np.asarray(ids)[numbers]
