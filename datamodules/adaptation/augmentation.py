"""Random changes of the training images of two domains."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from datamodules.adaptation.paired_rows import IndexPair, PairedRows
from datamodules.core.samplers import seeded_generator
from datamodules.core.tensor_dataset import RowTransform


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

    @classmethod
    def drawn(cls, uniform: Tensor, size: int, places: int, flip: bool) -> "Crops":
        """Crops by three uniform numbers for each row, (3, n).

        Args:
            uniform: In [0, 1).
            size: Height and width of the crops.
            places: Places that a crop can begin at, in each direction; 1 for no crops.
            flip: Mirror each row with probability 1/2.
        """
        top, left = (uniform[:2] * places).long()
        return cls(size, top, left, (uniform[2] < 0.5) & flip)


@dataclass(frozen=True)
class Warps:
    """Affine maps that were drawn for the rows of a batch.

    Args:
        maps: From places in the image afterwards to places before, both from -1 to 1,
            (n, 2, 3).
    """

    maps: Tensor

    def rows(self, x: Tensor, rows: Tensor) -> Tensor:
        """The named rows of images (m, c, h, w), turned, stretched and moved.

        What comes from beyond an edge is the edge's colour.

        >>> half = Warps(torch.tensor([[[1.0, 0, 2 / 3], [0, 1, 0]]]))  # a pixel left
        >>> image = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3)
        >>> half.rows(image, torch.tensor([0])).tolist()
        [[[[1, 2, 2], [4, 5, 5], [7, 8, 8]]]]
        """
        x = x.index_select(0, rows)
        size = list(x.shape)
        grid = nn.functional.affine_grid(self.maps, size, align_corners=False)
        moved = nn.functional.grid_sample(
            x.float(), grid, padding_mode="border", align_corners=False
        )
        return moved.round_().to(x.dtype)

    @classmethod
    def drawn(cls, uniform: Tensor, size: float) -> "Warps":
        """Maps by six uniform numbers for each row, (6, n).

        Args:
            uniform: In [0, 1).
            size: Largest difference of each entry from that of the map that changes
                nothing: 0.1 stretches by up to 10 %, turns by up to about 6 degrees and
                moves by up to 5 % of the image.
        """
        entries = (2 * uniform.T - 1) * size
        return cls(torch.eye(2, 3) + entries.view(-1, 2, 3))


class Augmentation(NamedTuple):
    """How many uniform numbers the change of a row needs, and what makes it of them.

    ``drawn`` takes numbers in [0, 1), (numbers, n), and returns the changes of n rows.
    """

    numbers: int
    drawn: Callable[[Tensor], RowTransform]


@dataclass(eq=False)
class AugmentedRows(Sampler[IndexPair]):
    """Rows of both domains, with changes drawn for each of them.

    The changes of a batch come from a stream that its number alone decides (counted
    over all epochs, with the seed), and a row has the one of its place in the batch
    joined over all processes. So they depend neither on workers nor on how often a run
    was resumed, and two processes draw what one with twice the batch draws.

    Args:
        rows: The rows of an epoch.
        augmentation: Makes the changes.
    """

    rows: PairedRows
    augmentation: Augmentation

    def __len__(self) -> int:
        """Batches of a whole epoch, wherever this one starts."""
        return len(self.rows)

    def __iter__(self) -> Iterator[IndexPair]:
        first = self.rows.epoch * self.rows.steps + self.rows.start
        for batch, ((source, _), (target, _)) in enumerate(self.rows, first):
            generator = seeded_generator("augmentation", self.rows.seed, batch)
            here, there = self._changes(generator), self._changes(generator)
            yield (source, here), (target, there)

    def _changes(self, generator: torch.Generator) -> RowTransform:
        n = self.rows.batch_size
        joint, first = n * self.rows.world_size, n * self.rows.rank
        uniform = torch.rand(self.augmentation.numbers, joint, generator=generator)
        return self.augmentation.drawn(uniform[:, first : first + n])
