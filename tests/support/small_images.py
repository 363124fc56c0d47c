"""A data module of small images."""

from typing import Any

import torch

from datamodules import InMemoryDataModule
from datamodules.core.in_memory import Splits
from datamodules.core.tensor_dataset import LabelledRows


class SmallImages(InMemoryDataModule):
    """Images in which no two pixels of a row are alike."""

    shape = (1, 2, 3)

    def read(self) -> Splits:
        x = torch.arange(60, dtype=torch.uint8).view(10, *self.shape)
        pairs = LabelledRows(x, torch.arange(10))
        return pairs, pairs, pairs


def small_images(**arguments: Any) -> SmallImages:
    data = SmallImages(batch_size=3, **arguments)
    data.setup("fit")
    return data
