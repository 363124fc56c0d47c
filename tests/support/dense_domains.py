"""The parts and the batches of two dense domains."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from datamodules.adaptation.base import TwoDomains
from datamodules.core.tensor_dataset import LabelledRows


@dataclass(frozen=True)
class Labelled:
    x: Tensor
    y: Tensor

    @classmethod
    def of(cls, rows: LabelledRows) -> "Labelled":
        return cls(dense(rows.x), rows.y)


@dataclass(frozen=True)
class Parts:
    source: Labelled
    source_val: Labelled
    target: Tensor
    target_test: Labelled


def dense(x: object) -> Tensor:
    assert isinstance(x, Tensor)
    return x


def parts(data: TwoDomains) -> Parts:
    """What the data module has read."""
    data.setup()
    found = data.domains
    return Parts(
        Labelled.of(found.source),
        Labelled.of(found.source_val),
        dense(found.target),
        Labelled.of(found.target_test),
    )


def batches(data: TwoDomains, epochs: int = 1) -> list[list[Tensor]]:
    """Training batches as the loader gives them."""
    data.setup("fit")
    loader = data.train_dataloader()
    return [[dense(part) for part in batch] for _ in range(epochs) for batch in loader]


def equal(first: Any, second: Any) -> bool:
    """Whether two lists of batches are the same bit by bit."""
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    return len(first) == len(second) and all(map(equal, first, second))
