"""Random crops and mirror images of the training images of two domains."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Sampler

from datamodules.adaptation.paired_rows import IndexPair, PairedRows
from datamodules.core.samplers import seeded_generator


@dataclass(frozen=True)
class Crops:
    """Crops that were drawn for the rows of a batch.

    Args:
        size: Height and width of the crops.
        top: First line of the crop, int64 (n,).
        left: First column of the crop, int64 (n,).
        mirrored: Which rows are flipped left to right, bool (n,).
    """

    size: int
    top: Tensor
    left: Tensor
    mirrored: Tensor

    def rows(self, x: Tensor, rows: Tensor) -> Tensor:
        """The named rows of images (m, c, h, w), cropped: (n, c, size, size).

        >>> crops = Crops(2, torch.tensor([1]), torch.tensor([0]), torch.tensor([True]))
        >>> crops.rows(torch.arange(9).view(1, 1, 3, 3), torch.tensor([0]))
        tensor([[[[4, 3],
                  [7, 6]]]])
        """
        size = self.size
        windows = x.unfold(2, size, 1).unfold(3, size, 1)  # a view, (m, c, h, w, ...)
        crops = windows[rows, :, self.top, self.left]
        crops[self.mirrored] = crops[self.mirrored].flip(-1)
        return crops


class CroppedRows(Sampler[IndexPair]):
    """Rows of both domains, with crops drawn for each of them.

    The crops of a batch come from a stream that its number alone decides (counted over
    all epochs, with the seed), and a row has the one of its place in the batch joined
    over all processes. So they depend neither on workers nor on how often a run was
    resumed, and two processes draw what one with twice the batch draws.

    Args:
        rows: The rows of an epoch.
        size: Height and width of the crops.
        places: Places that a crop can begin at, in each direction; 1 for no crops.
        flip: Mirror each row with probability 1/2.
    """

    def __init__(self, rows: PairedRows, size: int, places: int, flip: bool) -> None:
        self.rows, self.size, self.places, self.flip = rows, size, places, flip

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return len(self.rows)

    def __iter__(self) -> Iterator[IndexPair]:
        first = self.rows.epoch * self.rows.steps + self.rows.start
        for batch, ((source, _), (target, _)) in enumerate(self.rows, first):
            generator = seeded_generator("augmentation", self.rows.seed, batch)
            here, there = self._crops(generator), self._crops(generator)
            yield (source, here), (target, there)

    def _crops(self, generator: torch.Generator) -> Crops:
        n = self.rows.batch_size
        joint, first = n * self.rows.world_size, n * self.rows.rank
        uniform = torch.rand(3, joint, generator=generator)[:, first : first + n]
        top, left = (uniform[:2] * self.places).long()
        return Crops(self.size, top, left, (uniform[2] < 0.5) & self.flip)
