"""Random crops and mirror images of the training pictures of two domains."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from datamodules.adaptation.base import Domains, PairedRows, RowPair
from datamodules.core.samplers import seeded_generator


@dataclass(frozen=True)
class Draws:
    """What is drawn for the rows of a batch.

    Args:
        top: First line of the crop, int64 (n,).
        left: First column of the crop, int64 (n,).
        mirrored: Which rows are flipped left to right, bool (n,).
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor

    def applied(self, x: Tensor, rows: Tensor, size: int) -> Tensor:
        """The named rows of pictures (m, c, h, w), cropped: (n, c, size, size).

        >>> draws = Draws(torch.tensor([1]), torch.tensor([0]), torch.tensor([True]))
        >>> draws.applied(torch.arange(9).view(1, 1, 3, 3), torch.tensor([0]), 2)
        tensor([[[[4, 3],
                  [7, 6]]]])
        """
        windows = x.unfold(2, size, 1).unfold(3, size, 1)  # a view, (m, c, h, w, ...)
        crops = windows[rows, :, self.top, self.left]
        crops[self.mirrored] = crops[self.mirrored].flip(-1)
        return crops


class RandomRows(Sampler[tuple[RowPair, tuple[Draws, Draws]]]):
    """Rows of both domains, and what is drawn for each of them.

    The draws of a batch come from a stream that its number alone decides (counted over
    all epochs, with the seed), and a row has the one of its place in the batch joined
    over all processes. So they depend neither on workers nor on how often a run was
    resumed, and two processes draw what one with twice the batch draws.

    Args:
        rows: The rows of an epoch.
        places: Places that a crop can begin at, in each direction; 1 for no crops.
        flip: Mirror each row with probability 1/2.
    """

    def __init__(self, rows: PairedRows, places: int, flip: bool) -> None:
        self.rows, self.places, self.flip = rows, places, flip

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[RowPair, tuple[Draws, Draws]]]:
        first = self.rows.epoch * self.rows.steps + self.rows.start
        for batch, rows in enumerate(self.rows, first):
            generator = seeded_generator("augmentation", self.rows.seed, batch)
            yield rows, (self._draws(generator), self._draws(generator))

    def _draws(self, generator: torch.Generator) -> Draws:
        n = self.rows.batch_size
        joint, first = n * self.rows.world_size, n * self.rows.rank
        drawn = torch.rand(3, joint, generator=generator)[:, first : first + n]
        top, left = (drawn[:2] * self.places).long()
        return Draws(top, left, (drawn[2] < 0.5) & self.flip)


class Augmented(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Training batches of both domains, each row cropped and mirrored as drawn.

    Args:
        domains: Dense pictures, uint8 (n, c, h, w).
        size: Height and width of the crops.
    """

    def __init__(self, domains: Domains, size: int) -> None:
        self.source, self.target, self.size = domains.source, domains.target, size

    def __getitem__(
        self, index: tuple[RowPair, tuple[Draws, Draws]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        (source, target), (here, there) = index
        return (
            self._crops(self.source.x, source, here),
            self.source.y[source],
            self._crops(self.target, target, there),
        )

    def _crops(self, x: Any, rows: Tensor, draws: Draws) -> Tensor:
        return draws.applied(x, rows, self.size)
