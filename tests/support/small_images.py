"""Small images: in memory, in files, and as CIFAR-10 in a few short strips of PNG."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from datamodules import InMemoryDataModule
from datamodules.core.in_memory import Splits
from datamodules.core.tensor_dataset import LabelledRows

RED = (255, 0, 0)


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


def save(path: Path, colour: object = RED, size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if isinstance(colour, int) else "RGB"
    Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]


def pixels(n: int, seed: int) -> np.ndarray:
    """Pictures as CIFAR-10 stores them: red plane, green plane, blue plane."""
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def write_strips(root: Path, rows: int = 3) -> dict[int, np.ndarray]:
    root.mkdir(exist_ok=True)
    strips = {i: pixels(rows, 10 + i).reshape(rows, 1024, 3) for i in (0, 1, 50)}
    for i, strip in strips.items():
        Image.fromarray(strip).save(root / f"cifar10_batch_{i}.png")
    labels = [(number // 1000 + number) % 10 for number in range(50_000 + rows)]
    (root / "labels.json").write_text(json.dumps(labels))
    return strips
