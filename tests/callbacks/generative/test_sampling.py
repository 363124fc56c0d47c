"""Processes share one set of samples, however many they are."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from callbacks.generative.sampling import CHUNK, shares


class Sampler:
    """Says how many samples were asked for, and with which seed."""

    def sample(self, n: int, seed: int) -> Tensor:
        return torch.full((n, 1), float(seed))


def drawn(n: int, processes: int) -> list[list[Tensor]]:
    module: Any = Sampler()
    ranks = [
        SimpleNamespace(global_rank=rank, world_size=processes)
        for rank in range(processes)
    ]
    return [list(shares(rank, module, n, seed=3)) for rank in ranks]  # type: ignore[arg-type]


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, CHUNK, 2 * CHUNK + 7])
def test_all_processes_together_draw_what_one_draws(n: int, processes: int) -> None:
    (alone,) = drawn(n, 1)
    together = torch.cat([part for rank in drawn(n, processes) for part in rank])
    assert len(together) == n
    assert torch.equal(together.sort(dim=0).values, torch.cat(alone).sort(dim=0).values)


def test_a_process_without_samples_gets_an_empty_chunk() -> None:
    sizes = [[len(part) for part in rank] for rank in drawn(10, 3)]
    assert sizes == [[10], [0], [0]]
