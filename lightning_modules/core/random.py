"""Seeded random streams that differ between ranks and can be saved."""

import zlib

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor


def seed_of(*key: int | str) -> int:
    """A seed for one purpose, different for every key.

    >>> seed_of("order", 0, 1) == seed_of("order", 1, 0)
    False
    """
    entropy = [zlib.crc32(k.encode()) if isinstance(k, str) else k % 2**63 for k in key]
    mixed = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
    return int(mixed) % 2**63


class RandomStream:
    """A random stream of one seed, rank and purpose.

    ``seed_everything`` seeds every process alike, so each rank of a DDP run would draw
    the same latents. A `RandomStream` is keyed by rank as well, is
    independent of torch's global generator, and its `state` is a tensor that a
    checkpoint can hold.

    Args:
        seed: Seed of the run.
        rank: Global rank of the process.
        stream: Name of the purpose (``"train"``, ``"sample"``); different names
            give independent numbers.
        device: Device of the generator and of the numbers.

    >>> a, b = RandomStream(0, 0, "train"), RandomStream(0, 0, "train")
    >>> bool((a.normal(2, 3) == b.normal(2, 3)).all())
    True
    >>> bool((a.normal(2, 3) == RandomStream(0, 1, "train").normal(2, 3)).any())
    False
    """

    def __init__(
        self, seed: int, rank: int, stream: str, device: torch.device | str = "cpu"
    ) -> None:
        seed = seed_of(seed, rank, stream)
        self.generator = torch.Generator(device).manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers of the given shape."""
        device = self.generator.device
        return torch.randn(shape, generator=self.generator, device=device)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) of the given shape."""
        device = self.generator.device
        return torch.rand(shape, generator=self.generator, device=device)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to high - 1, int64, of the given shape."""
        device = self.generator.device
        return torch.randint(high, shape, generator=self.generator, device=device)

    @property
    def state(self) -> Tensor:
        """The generator's state, a uint8 tensor on the CPU."""
        return self.generator.get_state()

    @state.setter
    def state(self, value: Tensor) -> None:
        # torch 2.15 reads a row of a larger tensor from the wrong place: copy it out.
        self.generator.set_state(value.cpu().clone())


def own_state(states: Tensor, stream: RandomStream, trainer: pl.Trainer) -> Tensor:
    """This process's state among those that a checkpoint holds, one row for each.

    Raises:
        ValueError: If the checkpoint was written by another number of processes, or on
            another kind of device.
    """
    ranks = trainer.world_size
    if states.shape != (ranks, len(stream.state)):
        raise ValueError(
            f"The checkpoint holds the random state of {len(states)} process(es) on "
            f"another kind of device or number of processes than these {ranks}: "
            "resume on the same devices, or start a new run from its weights."
        )
    return states[trainer.global_rank]
