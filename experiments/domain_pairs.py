"""Pairs of domains drawn at random: data that no setting was chosen on.

A number decides a pair. Classes are mixtures of one to three normal clusters in a
latent space; columns are linear and saturating functions of it, with noise, in units
that differ by orders of magnitude. Rows (100 to 10,000 of each domain), columns (10 to
4,096), classes and the distance between classes are drawn, and each of six shifts
with probability 1/2, so that one pair of 64 has none.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import expm

Array = NDArray[np.float64]
N_TEST = 2_000  # rows of the target that accuracy is measured on
SHIFTS = {
    "gain": (0.3, 1.5),  # sd of the log of each column's gain in the target
    "rotation": (0.4, 1.6),  # angle in radians, in random planes
    "translation": (1.0, 6.0),  # of the whole, in sd of a cluster
    "labels": (0.3, 3.0),  # Dirichlet parameter of the target's class shares
    "classes": (0.5, 2.5),  # of each class by itself, in sd of a cluster
    "noise": (0.3, 2.0),  # sd of more noise in the target's columns
}
"""Kinds of shift with the range of their strength."""


@dataclass(frozen=True)
class Rows:
    """Samples float64 (n, d) and classes int64 (n,)."""

    x: Array
    y: NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """A source, and a target of which more rows are drawn for test.

    Attributes:
        source: Labelled rows.
        target: Rows that are trained on; nobody is shown their classes.
        target_test: Rows for the accuracy.
        classes: How many.
        shifts: Strength of each kind of shift that the pair has.
    """

    source: Rows
    target: Rows
    target_test: Rows
    classes: int
    shifts: dict[str, float]

    def write(self, folder: Path) -> list[str]:
        """Write the three as .npz; returns the options of ``DomainFeatures``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("source", "target", "target_test"):
            rows: Rows = getattr(self, name)
            x = rows.x.astype("f4")
            if name == "target":
                np.savez(folder / "target.npz", x=x)
            else:
                np.savez(folder / f"{name}.npz", x=x, y=rows.y)
        return [
            f"--data.{name}={folder / name}.npz"
            for name in ("source", "target", "target_test")
        ]


class _Columns:
    """Columns of latent points: what both domains share."""

    def __init__(self, latent: int, columns: int, draw: Generator) -> None:
        scale = latent**-0.5
        self.linear, self.saturating = draw.normal(0, scale, (2, latent, columns))
        self.offset = draw.normal(0, 1, columns)
        self.unit = 10 ** (draw.uniform(-3, 3) + draw.normal(0, 0.5, columns))
        self.noise = draw.uniform(0.1, 1.0)

    def of(self, z: Array, draw: Generator, gain: Array, more: float) -> Array:
        """Columns (n, d) of latent points (n, r)."""
        clean = z @ self.linear + np.tanh(z @ self.saturating * 2)
        noise = np.hypot(self.noise, more) * draw.normal(size=clean.shape)
        return np.asarray(((clean + noise) * gain + self.offset) * self.unit)


def draw_pair(number: int, kinds: Collection[str] = tuple(SHIFTS)) -> Pair:
    """The pair of domains with this number.

    Args:
        number: Decides everything.
        kinds: Shifts that are not left out.

    >>> pair = draw_pair(0)
    >>> pair.source.x.shape[1] == pair.target_test.x.shape[1], len(pair.target_test.y)
    (True, 2000)
    """
    draw = np.random.default_rng([23, number])
    classes = int(draw.choice([2, 3, 5, 10]))
    columns = round(10 ** draw.uniform(1, np.log10(4096)))
    sizes = [round(10 ** draw.uniform(2, 4)) for _ in range(2)]
    latent = min(columns, int(draw.integers(classes, classes + 10)))
    shifts = {
        kind: float(draw.uniform(*strength))
        for kind, strength in SHIFTS.items()
        if draw.random() < 0.5
    }
    shifts = {kind: strength for kind, strength in shifts.items() if kind in kinds}
    apart = (
        draw.uniform(1.5, 3.5) / (2 * latent) ** 0.5
    )  # of centres, in sd, on average
    clusters = int(draw.integers(1, 4))
    centres = draw.normal(0, 1, (classes, 1, latent)) * apart * 2
    centres = centres + draw.normal(0, apart / 2, (classes, clusters, latent))
    view = _Columns(latent, columns, draw)
    shares = np.full(classes, 1 / classes)
    source = _rows(sizes[0], shares, centres, view, draw)
    move = _Move.drawn(shifts, centres.shape, draw)
    gain = np.exp(shifts.get("gain", 0.0) * draw.normal(size=columns))
    target, test = (
        _rows(n, move.shares, centres, view, draw, move, gain, shifts.get("noise", 0.0))
        for n in (sizes[1], N_TEST)
    )
    return Pair(source, target, test, classes, shifts)


@dataclass(frozen=True)
class _Move:
    """What happens to the latent points of the target."""

    rotation: Array
    translation: Array
    of_classes: Array
    shares: Array

    @classmethod
    def drawn(
        cls, shifts: dict[str, float], shape: tuple[int, ...], draw: Generator
    ) -> "_Move":
        classes, _, latent = shape
        skew = draw.normal(size=(latent, latent))
        skew = skew - skew.T
        skew /= max(float(np.linalg.norm(skew, 2)), 1e-12)
        way = draw.normal(size=latent)
        own = draw.normal(size=(classes, latent))
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        uneven = draw.dirichlet(np.full(classes, shifts.get("labels", 1.0)))
        even = np.full(classes, 1 / classes)
        return cls(
            expm(shifts.get("rotation", 0.0) * skew),
            shifts.get("translation", 0.0) * way / np.linalg.norm(way),
            shifts.get("classes", 0.0) * own,
            0.1 * even + 0.9 * uneven if "labels" in shifts else even,
        )


def _rows(
    n: int,
    shares: Array,
    centres: Array,
    view: _Columns,
    draw: Generator,
    move: _Move | None = None,
    gain: Array | float = 1.0,
    noise: float = 0.0,
) -> Rows:
    classes, clusters, latent = centres.shape
    y = draw.choice(classes, n, p=shares)
    y[:classes] = np.arange(classes)  # none is missing
    z = centres[y, draw.integers(0, clusters, n)] + draw.normal(size=(n, latent))
    if move is not None:
        z = (z + move.of_classes[y]) @ move.rotation + move.translation
    return Rows(view.of(z, draw, np.asarray(gain), noise), y.astype(np.int64))
