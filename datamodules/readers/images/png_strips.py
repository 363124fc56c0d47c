"""CIFAR-10 as strips of PNG: one row of pixels is one image."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules.core.tensor_dataset import LabelledRows

LABELS = "labels.json"
FIRST_TEST_STRIP = 50
ROWS_OF_A_STRIP = 1_000


def read_strips(root: Path) -> list[LabelledRows[Tensor]]:
    """Training and test images of a folder with ``labels.json`` and PNG strips.

    Raises:
        FileNotFoundError: There is no strip for one of the two.
        ValueError: A file is cut off or damaged.
    """
    try:
        labels = np.array(json.loads((root / LABELS).read_text()), dtype=np.int64)
    except ValueError as error:
        raise ValueError(
            f"data.root: {root / LABELS} is not a list of whole numbers ({error}); "
            "replace it."
        ) from error
    names = [path.stem for path in root.glob("cifar10_batch_*.png")]
    endings = [name.removeprefix("cifar10_batch_") for name in names]
    numbers = sorted(int(ending) for ending in endings if ending.isdecimal())
    train = [number for number in numbers if number < FIRST_TEST_STRIP]
    test = numbers[len(train) :]
    if not train or not test:
        raise FileNotFoundError(
            f"data.root: {root} has labels.json but no "
            f"cifar10_batch_{0 if not train else FIRST_TEST_STRIP}.png; put the "
            "strips there, or remove labels.json."
        )
    return [_joined(root, train, labels), _joined(root, test, labels)]


def _joined(root: Path, numbers: list[int], labels: np.ndarray) -> LabelledRows[Tensor]:
    images, targets = [], []
    for number in numbers:
        path = root / f"cifar10_batch_{number}.png"
        images.append(_strip(path))
        first = ROWS_OF_A_STRIP * number
        targets.append(labels[first : first + len(images[-1])])
        if len(targets[-1]) < len(images[-1]):
            raise ValueError(
                f"data.root: {root / LABELS} has {len(labels)} labels, too few for "
                f"{path.name}; replace it."
            )
    return channels_first(np.concatenate(images), np.concatenate(targets))


def _strip(path: Path) -> np.ndarray:
    """The images of one strip, uint8 (n, 32, 32, 3)."""
    try:
        with Image.open(path) as file:
            rows = np.asarray(file.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(
            f"data.root: {path} is cut off or not an image ({error}); replace it."
        ) from error
    if rows.shape[1] != 32 * 32:
        raise ValueError(
            f"data.root: {path} is {rows.shape[1]} pixels wide, but the rows of a "
            "strip are images of 32 x 32 = 1024 pixels; replace it."
        )
    return rows.reshape(-1, 32, 32, 3)


def channels_first(
    images: np.ndarray, labels: "np.ndarray | list[int]"
) -> LabelledRows[Tensor]:
    """Images (n, 32, 32, 3) the way models take them, (n, 3, 32, 32)."""
    x: Tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return LabelledRows(x, torch.as_tensor(labels, dtype=torch.int64))
