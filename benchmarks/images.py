"""Images per second: our batches from memory, and torchvision's item by item."""

import struct
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.comparison import Goal, Row, compare
from benchmarks.timing import Spent, Variant, spending
from datamodules import MNIST

BATCH, IMAGES = 64, 60_000


def loading(rounds: int) -> list[Row]:
    """Images a second, without networks."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        for workers in (0, 2):
            variants = _variants(Path(folder), workers, batches=150)
            case = f"60,000 images of 28 x 28, batch 64, {workers} workers"
            goals = {"torchvision": Goal(least=30)} if workers == 0 else {}
            results += compare(case, "image", variants, rounds, goals)
    return results


def write_images(root: Path) -> None:
    """Random images in the files of MNIST."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    g = torch.Generator().manual_seed(0)
    for part, n in (("train", IMAGES), ("t10k", 10_000)):
        pixels = torch.randint(256, (n, 28, 28), generator=g, dtype=torch.uint8)
        labels = torch.randint(10, (n,), generator=g, dtype=torch.uint8)
        _write_idx(folder / f"{part}-images-idx3-ubyte", pixels)
        _write_idx(folder / f"{part}-labels-idx1-ubyte", labels)


def _write_idx(path: Path, values: Tensor) -> None:
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(head + values.numpy().tobytes())


def _variants(root: Path, num_workers: int, batches: int) -> dict[str, Variant]:
    """Ours and torchvision's, with some worker processes."""
    ours = MNIST(str(root), batch_size=BATCH, num_workers=num_workers)
    ours.setup()
    reference = DataLoader(
        datasets.MNIST(str(root), transform=transforms.ToTensor()),
        BATCH,
        shuffle=True,
        num_workers=num_workers,
    )

    def from_memory() -> Spent:
        loader = ours.train_dataloader()
        return read_all(ours.on_after_batch_transfer(b, 0) for b in loader)

    return {
        "in memory": from_memory,
        "torchvision": lambda: read_all(islice(reference, batches)),
    }


def read_all(batches: Iterable[Any]) -> Spent:
    """Batches to the last, the start of workers included."""
    spent = Spent(units=0)
    with spending(spent):
        for x, _ in batches:
            assert x.dtype == torch.float32
            spent.units += len(x)
    return spent
