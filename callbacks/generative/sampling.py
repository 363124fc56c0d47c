"""Samples for measurements: each process draws its share of one fixed set."""

from collections.abc import Iterator

import lightning.pytorch as pl
from torch import Tensor

from lightning_modules.generative.base import GenerativeModule

CHUNK = 256  # samples that share a seed, and are drawn by one process


def shares(
    trainer: pl.Trainer, pl_module: GenerativeModule, n: int, seed: int
) -> Iterator[Tensor]:
    """Chunks of ``n`` samples; over all processes they are the same set of samples.

    Chunk i has its own seed and goes to process i modulo their number, so the set
    does not depend on how many there are, and training draws what it would have
    drawn anyway. A process that gets none yields one empty chunk, because metrics
    are joined by all processes together.
    """
    chunks = max(-(-n // CHUNK), trainer.world_size)
    for chunk in range(trainer.global_rank, chunks, trainer.world_size):
        size = max(0, min(CHUNK, n - chunk * CHUNK))
        yield pl_module.sample(size, seed=(seed + 1) * 1_000_003 + chunk)
