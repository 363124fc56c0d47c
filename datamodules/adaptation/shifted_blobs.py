"""Two blobs in the plane, and the same two far away: the toy data of WDGRL."""

import math
from typing import Any

import torch
from typing_extensions import override

from datamodules.adaptation.base import Domains, TwoDomains
from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import LabelledRows
from lightning_modules.core.limits import check_size
from lightning_modules.core.validation import check_at_least

POINT = 16  # bytes, with its label


class ShiftedBlobs(TwoDomains):
    """Two classes on a line, moved as a whole: x is float32 (n, 2).

    Class 0 lies around (0, 0), class 1 around (0, ``gap``); the target is the same
    distribution plus ``shift``. Every coordinate has standard deviation ``std``, and
    both classes are equally large (class 0 has the odd point). The defaults are the
    authors' numbers for WDGRL: centres (0, 0) and (0, 10) against (50, -20) and
    (50, -10), sd 1, 3,000 points a domain, batches of 32 + 32. The whole target lies
    below the line y = 5 that separates the source's classes, and the domains are so far
    apart that a classifier of domains saturates. (The authors' run of DANN has
    ``n_train=1000``, ``std=1.5``.) Validation and test points are drawn independently;
    the authors evaluate on the points that they train on.

    Args:
        batch_size: Points of each domain in a batch of one process.
        batches_per_epoch: Batches that count as an epoch; 93 pass over 3,000 points.
        n_train: Training points of each domain.
        n_val: Source points for validation.
        n_test: Target points for test.
        gap: Distance of the two classes.
        shift: What is added to the points of the target.
        std: Standard deviation of every coordinate.
        **options: Workers and seed of `TwoDomains`.

    Raises:
        ValueError: A number is out of its range; the sentence names the key.

    References:
        arXiv:1707.01217, its synthetic data; ``toy/wd.py`` and ``toy/dann.py`` of
        RockySJ/WDGRL at 9e4ee41 for the numbers.

    >>> blobs = ShiftedBlobs()
    >>> blobs.setup()
    >>> blobs.domains.source.x.shape, blobs.domains.target_test.x.mean(0).round()
    (torch.Size([3000, 2]), tensor([ 50., -15.]))
    """

    shape = (2,)
    num_classes = 2
    class_names = ("lower", "upper")

    def __init__(
        self,
        batch_size: int = 32,
        batches_per_epoch: int = 93,
        n_train: int = 3_000,
        n_val: int = 1_000,
        n_test: int = 1_000,
        gap: float = 10.0,
        shift: tuple[float, float] = (50.0, -20.0),
        std: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(batch_size, batches_per_epoch, **options)
        check_at_least(1, "data.", n_train=n_train, n_val=n_val, n_test=n_test)
        if not 0 < std < math.inf:
            raise ValueError(f"data.std must be positive and finite, got {std}.")
        for key, value in (("gap", gap), ("shift", shift)):
            if not torch.tensor(value).isfinite().all():
                raise ValueError(f"data.{key} must be finite, got {value}.")
        self.n_train, self.n_val, self.n_test = n_train, n_val, n_test
        self.gap, self.shift, self.std = gap, shift, std

    @override
    def read(self) -> Domains:
        """Draws the four sets, each from a stream of its own."""
        n = 2 * self.n_train + self.n_val + self.n_test
        check_size(POINT * n, name=f"data.n_train and the others: {n} points")
        here, there = (0.0, 0.0), self.shift
        return Domains(
            source=self._draw(0, self.n_train, here),
            source_val=self._draw(1, self.n_val, here),
            target=self._draw(2, self.n_train, there).x,
            target_test=self._draw(3, self.n_test, there),
        )

    def _draw(self, part: int, n: int, shift: tuple[float, float]) -> LabelledRows:
        generator = seeded_generator("blobs", self.seed, part)
        y = (torch.arange(n) % 2)[torch.randperm(n, generator=generator)]
        centres = torch.tensor([[0.0, 0.0], [0.0, self.gap]]) + torch.tensor(shift)
        noise = torch.randn(n, 2, generator=generator)
        return LabelledRows(centres[y] + self.std * noise, y)
