"""Pieces of the loops by hand: batches without end, and steps that use them."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def shuffled(n: int, size: int) -> Iterator[Tensor]:
    """Numbers of the rows of full batches, reshuffled every pass."""
    while True:
        for rows in torch.split(torch.randperm(n), size):
            if len(rows) == size:
                yield rows


def repeated(
    step: Callable[..., None], batches: Iterator[tuple[Tensor, ...]]
) -> Callable[[int], None]:
    """A function that takes so many steps, each on the next batch."""

    def run(steps: int) -> None:
        for _ in range(steps):
            step(*next(batches))

    return run
