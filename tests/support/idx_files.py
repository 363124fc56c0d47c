"""Small idx files in the form of MNIST."""

import gzip
import hashlib
import struct
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision import datasets

N_TRAIN, N_TEST = 20, 6
Source = type[datasets.MNIST]


def idx(values: Tensor) -> bytes:
    sizes = struct.pack(f">{values.dim()}I", *values.shape)
    return b"\0\0\x08" + bytes([values.dim()]) + sizes + values.numpy().tobytes()


def contents() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    parts = {}
    for name, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        pixels = torch.randint(0, 256, (n, 28, 28), generator=draw)
        parts[f"{name}-images-idx3-ubyte"] = pixels.to(torch.uint8)
        parts[f"{name}-labels-idx1-ubyte"] = (torch.arange(n) % 10).to(torch.uint8)
    return parts


def write(
    root: Path, monkeypatch: pytest.MonkeyPatch, source: Source = datasets.MNIST
) -> Path:
    """The four archives, with their md5 sums in the place of the real ones."""
    folder = root / source.__name__ / "raw"
    folder.mkdir(parents=True)
    sums = []
    for name, values in contents().items():
        packed = gzip.compress(idx(values))
        (folder / f"{name}.gz").write_bytes(packed)
        sums.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(source, "resources", sums)
    return folder


def unpack(folder: Path) -> None:
    for path in list(folder.glob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()


def root_of(folder: Path) -> str:
    return str(folder.parents[1])
