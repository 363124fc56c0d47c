"""Two processes that know of each other, and what each of them found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes


def on_two_ranks(function: Callable[[int], Any], directory: Path) -> list[Any]:
    """What a function of the rank returns on each of two forked processes."""
    start_processes(_one_rank, (function, directory), nprocs=2, start_method="fork")  # type: ignore[no-untyped-call]
    return [torch.load(directory / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def _one_rank(rank: int, function: Callable[[int], Any], directory: Path) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{directory}/meet", rank=rank, world_size=2
    )
    torch.save(function(rank), directory / f"{rank}.pt")
    dist.destroy_process_group()
