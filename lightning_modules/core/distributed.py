"""Rows of all processes, put together in the order of their ranks."""

from typing import Any, cast

import torch
from torch import Tensor, distributed

from lightning_modules.core.lightning_internals import device_mesh


def rows_of_all_ranks(row: Tensor) -> Tensor:
    """One row per rank, in the order of ranks; call it on all ranks.

    Lightning's ``all_gather`` goes through a deprecated function of torch 2.15.
    """
    if not _several():
        return row[None]
    rows = [torch.empty_like(row) for _ in range(distributed.get_world_size())]
    distributed.all_gather(rows, row.contiguous())
    return torch.stack(rows)


def joined_rows(x: Tensor) -> Tensor:
    """Rows (n, ...) of every rank as (ranks * n, ...), differentiable.

    A rank's own rows get the gradients that all ranks have for them, summed: where
    every rank computes the same loss of the joined rows, and gradients are averaged
    over ranks as data parallel training does, the update is that of one process.
    """
    return cast(Tensor, _Joined.apply(x)) if _several() else x


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.n = len(x)
        return rows_of_all_ranks(x).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        total = grads[0].contiguous()
        distributed.all_reduce(total)
        return cast(Tensor, total[distributed.get_rank() * ctx.n :][: ctx.n])


def data_ranks(trainer: Any) -> dict[str, int]:
    """Which share of a joint batch this process gets: ``rank`` of ``world_size``.

    Processes that hold one model together get the same batches.
    """
    mesh = device_mesh(trainer.strategy)
    if mesh is None:
        return {"rank": trainer.global_rank, "world_size": trainer.world_size}
    data = mesh["data_parallel"]
    return {"rank": data.get_local_rank(), "world_size": data.size()}


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
