"""Every data set that an experiment names, small and in the format of the real one.

A data module takes part by an entry in `OPTIONS`; experiments on it need no more.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import dump_svmlight_file

from tests.support.digit_sets import write_mnist, write_usps

USERS, ITEMS, PER_USER = 12, 30, 10
CLASSES = ("bike", *(f"kind_{i}" for i in range(9)))
FILM = "Les Misérables (1995)"


def write_all(root: Path) -> None:
    """Write the files that `options` point to."""
    random = np.random.default_rng(0)
    write_mnist(root)
    (root / "mnist" / "FashionMNIST").symlink_to("MNIST")
    write_usps(root)
    for write in (_cifar10, _amazon_reviews, _office, _rankings):
        write(root, random)


def _cifar10(root: Path, random: np.random.Generator) -> None:
    for strip, n in ((0, 40), (50, 16)):
        pixels = random.integers(0, 256, (n, 1024, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"cifar10_batch_{strip}.png")
    labels = random.integers(0, 10, 50_016).tolist()
    (root / "labels.json").write_text(json.dumps(labels))


def _amazon_reviews(root: Path, random: np.random.Generator) -> None:
    (root / "amazon_reviews").mkdir()
    for name in ("books_train", "books_test", "dvd_train", "dvd_test"):
        counts = (random.random((24, 5000)) < 0.01) * random.integers(1, 4, (24, 5000))
        signs = np.where(np.arange(24) % 2, 1, -1)
        path = root / "amazon_reviews" / f"{name}.svmlight"
        dump_svmlight_file(counts, signs, str(path), zero_based=True)


def _office(root: Path, random: np.random.Generator) -> None:
    (root / "office" / "surf").mkdir(parents=True)
    for domain in ("amazon", "caltech10"):
        fts = random.integers(0, 9, (30, 800), np.uint8)
        content = {"fts": fts, "labels": (1 + np.arange(30) % 10).reshape(-1, 1)}
        savemat(root / "office" / "surf" / f"{domain}.mat", content)
    for domain in ("amazon", "webcam"):
        for kind in CLASSES:
            folder = root / "office_images" / domain / kind
            folder.mkdir(parents=True)
            for i in range(3):
                pixels = random.integers(0, 256, (20, 24, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.jpg")


def _rankings(root: Path, random: np.random.Generator) -> None:
    seen = [random.permutation(ITEMS)[:PER_USER].tolist() for _ in range(USERS)]
    split = root / "split_files"
    for name, part in (("train", (0, 6)), ("valid", (6, 8)), ("test", (8, 10))):
        rows = [(u, *items[slice(*part)]) for u, items in enumerate(seen)]
        _lines(split / f"{name}.txt", (" ".join(map(str, row)) for row in rows))
    articles = root / "citeulike"
    users = (" ".join(map(str, (len(items), *items))) for items in seen)
    _lines(articles / "users.dat", users)
    tags = [sorted(random.permutation(ITEMS)[:7].tolist()) for _ in range(5)]
    _lines(articles / "tag-item.dat", (" ".join(map(str, (7, *t))) for t in tags))
    _lines(articles / "tags.dat", ("tag" + str(t) for t in range(5)))
    _lines(articles / "mult.dat", (f"2 {i % 4}:1 4:{1 + i % 3}" for i in range(ITEMS)))
    _lines(articles / "vocabulary.dat", ("word" + str(w) for w in range(5)))
    films = root / "movielens"
    rated = [(u + 1, i + 1, 4, 9) for u, items in enumerate(seen) for i in items]
    _lines(films / "u.data", ("\t".join(map(str, row)) for row in rated))
    flags = "|".join(["0", "1"] + ["0"] * 17)
    _lines(films / "u.item", (f"{i + 1}|{FILM}|||x|{flags}" for i in range(ITEMS)))
    _lines(films / "u.genre", (f"genre{g}|{g}" for g in range(19)))
    pairs = [(f"u{u}", f"i{i}") for u, items in enumerate(seen) for i in items]
    table = polars.DataFrame(pairs, schema=["user", "item"], orient="row")
    table.write_csv(root / "interactions.csv")


def _lines(path: Path, rows: Iterable[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), "latin-1")


def _settings(**values: Any) -> Callable[[Path], Mapping[str, Any]]:
    return lambda _: values


def _below(folder: str, **values: Any) -> Callable[[Path], Mapping[str, Any]]:
    return lambda root: {"root": root / folder, **values}


_PARTS = ("train", "val", "test")
OPTIONS: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
    "Digits": _settings(n_held_out=1700, batch_size=8, n_predict=3),
    "PointClouds": _settings(
        **{f"n_{part}": 64 for part in _PARTS}, batch_size=8, n_predict=3
    ),
    "MNIST": _below("mnist", n_val=4, batch_size=4, n_predict=3),
    "FashionMNIST": _below("mnist", n_val=4, batch_size=4, n_predict=3),
    "ImageFolder": _below("office_images", image_size=8, batch_size=8, n_predict=3),
    "CIFAR10": _below("", n_val=16, batch_size=8, n_predict=3),
    "LabelledTable": _settings(batch_size=8),
    "AmazonReviews": _below("amazon_reviews", batch_size=4),
    "OfficeCaltech": _below("office", batch_size=4),
    "DomainFeatures": lambda root: (
        {
            side: root / f"office/surf/{domain}.mat"
            for side, domain in (("source", "amazon"), ("target", "caltech10"))
        }
        | {"batch_size": 4}
    ),
    "OfficeImages": _below(
        "office_images", source="amazon", target="webcam", batch_size=4
    ),
    "DigitDomains": _below("", n_val=4, batch_size=4),
    "DigitsShift": _settings(batch_size=4),
    "ShiftedBlobs": _settings(**{f"n_{part}": 16 for part in _PARTS}, batch_size=4),
    "SplitFiles": _below("split_files", batch_size=8),
    "CiteULike": _below("citeulike", batch_size=8),
    "MovieLens": _below("movielens", batch_size=8),
    "PlantedInteractions": _settings(
        n_users=USERS, n_items=ITEMS, n_taken=PER_USER, batch_size=8
    ),
    "Interactions": lambda root: {"path": root / "interactions.csv", "batch_size": 8},
}
"""Arguments by which a data module becomes small, from the folder of its files."""


def options(data: str, root: Path) -> list[str]:
    """Words of a command line that make the data of an experiment small.

    Args:
        data: The data module's class, or its path.
        root: Where `write_all` wrote.
    """
    name = data.split(".")[-1]
    assert name in OPTIONS, f"give {name} an entry in OPTIONS of {__file__}"
    return [f"--data.{key}={value}" for key, value in OPTIONS[name](root).items()]
