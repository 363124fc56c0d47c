"""CIFAR-10 as a few short strips of PNG."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


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
