"""Small sets of digits in the exact formats of the large ones."""

import bz2
import gzip
import hashlib
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torch import Tensor
from torchvision import datasets

from datamodules.adaptation.digit_domains import FILES, DigitName
from datamodules.readers.images.archives import Images

N = {"train": 20, "test": 12}
PARTS = ("train", "test")
NAMES: tuple[DigitName, ...] = ("mnist", "usps", "mnist_m", "svhn")
MADE: tuple[DigitName, ...] = (*NAMES, "mnist_on_photos")
"""With the one that is made of another."""
SHAPES = {
    "mnist": (1, 28, 28),
    "usps": (1, 16, 16),
    "mnist_m": (3, 32, 32),
    "svhn": (3, 32, 32),
}


def labels(part: str) -> np.ndarray:
    return np.arange(N[part]) % 10


def pixels(part: str, *shape: int) -> np.ndarray:
    """Random bytes, others in each part."""
    draw = np.random.default_rng(PARTS.index(part))
    return draw.integers(0, 256, (N[part], *shape), dtype=np.uint8)


def write_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The five sets of digits below a directory, which is returned."""
    write_mnist(root)
    write_usps(root)
    write_mnist_m(root)
    write_photos(root)
    write_svhn(root, monkeypatch)
    return root


def write_mnist(root: Path, garbage: bool = False) -> None:
    folder = root / "mnist/MNIST/raw"
    folder.mkdir(parents=True, exist_ok=True)
    for part, name in (("train", "train"), ("test", "t10k")):
        for kind, values in (
            ("images-idx3", pixels(part, 28, 28)),
            ("labels-idx1", (labels(part) * (3 if garbage else 1)) % 10),
        ):
            content = idx(torch.from_numpy(values.astype(np.uint8)))
            (folder / f"{name}-{kind}-ubyte").write_bytes(content)


def write_usps(root: Path, garbage: bool = False) -> None:
    (root / "usps").mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "usps/usps.h5", "w") as file:
        for part in PARTS:
            ink = pixels(part, 256).astype(np.float32) / 255
            y = (labels(part) * (3 if garbage else 1)) % 10
            file[f"{part}/data"] = ink
            file[f"{part}/target"] = y.astype(np.int32)


def write_usps_libsvm(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pixels of the HDF5 file turned into their negatives, to tell them apart."""
    (root / "usps").mkdir(parents=True, exist_ok=True)
    found = {}
    for part in PARTS:
        url, name, _ = datasets.USPS.split_list[part]
        values = 1 - 2 * (pixels(part, 256) / 255)
        lines = [
            " ".join([str(y + 1), *(f"{i}:{v:.6f}" for i, v in enumerate(row, 1))])
            for y, row in zip(labels(part), values, strict=True)
        ]
        packed = bz2.compress(("\n".join(lines) + "\n").encode())
        (root / "usps" / name).write_bytes(packed)
        found[part] = [url, name, hashlib.md5(packed).hexdigest()]
    monkeypatch.setattr(datasets.USPS, "split_list", found)


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "svhn").mkdir(parents=True, exist_ok=True)
    found = {}
    for part in PARTS:
        url, name, _ = datasets.SVHN.split_list[part]
        y = np.where(labels(part) == 0, 10, labels(part)).astype(np.uint8)
        path = root / "svhn" / name
        x = pixels(part, 32, 32, 3).transpose(1, 2, 3, 0)
        savemat(path, {"X": x, "y": y[:, None]}, do_compression=True)
        found[part] = [url, name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", found)


def write_mnist_m(root: Path) -> None:
    folder = root / "mnist_m"
    for part in PARTS:
        (folder / f"mnist_m_{part}").mkdir(parents=True, exist_ok=True)
        lines = []
        for i, x in enumerate(pixels(part, 32, 32, 3)):
            Image.fromarray(x).save(folder / f"mnist_m_{part}" / f"{i:08}.png")
            lines.append(f"{i:08}.png {labels(part)[i]}\n")
        (folder / f"mnist_m_{part}_labels.txt").write_text("".join(lines))


def write_photos(root: Path, n: int = 6) -> None:
    """Photographs of one colour each, of two shapes."""
    (root / "photos/more").mkdir(parents=True, exist_ok=True)
    for i in range(n):
        size, colour = (40 + i, 60) if i % 2 else (200, 150), (20 * i, 90, 250 - 20 * i)
        folder = root / "photos" / ("more" if i % 3 else ".")
        Image.new("RGB", size, colour).save(folder / f"{i}.png")


def write_mnist_m_tensors(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        pair = (
            torch.from_numpy(pixels(part, 28, 28, 3)),
            torch.from_numpy(labels(part)),
        )
        torch.save(pair, folder / f"mnist_m_{part}.pt")


def read(name: str, root: Path, download: bool = False) -> tuple[Images, Images]:
    """Both parts of a data set, as the data module reads them."""
    files = FILES[name](root, download)
    files.find()
    return files.read()


def written(name: str, part: str) -> Tensor:
    channels, *size = SHAPES[name]
    if channels == 1:
        return torch.from_numpy(pixels(part, *size))[:, None]
    return torch.from_numpy(pixels(part, *size, 3)).permute(0, 3, 1, 2)


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
