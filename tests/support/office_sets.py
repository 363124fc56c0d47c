"""Small folders of pictures in two domains."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules.adaptation.office_images import OfficeImages

SIZE, CROP = 12, 4
CLASSES = ("bike", "mug")
PER_CLASS = 6


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write(root: Path, domain: str, below: str = "", classes: Any = CLASSES) -> Path:
    """Pictures of noise, with the same file names in every class as in Office-31."""
    draw = np.random.default_rng(len(domain))
    for name in classes:
        for number in range(PER_CLASS):
            noise = draw.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            save(root / domain / below / name / f"frame_{number}.png", noise)
    return root / domain


def office(root: Path, **options: Any) -> OfficeImages:
    settings = {
        "source": "amazon",
        "target": "dslr",
        "image_size": SIZE - options.get("crop", 0),
        "val_share": 0.25,
        "batch_size": 4,
        "batches_per_epoch": 5,
        **options,
    }
    return OfficeImages(str(root), **settings)


def pixels(path: Path) -> Tensor:
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
