"""Gathering of rows from all processes, in the order of their ranks."""

from typing import Any, cast

import torch
from torch import Tensor, distributed

from lightning_modules.core.lightning_internals import device_mesh


def rows_of_all_ranks(row: Tensor) -> Tensor:
    """Stacked tensors of all ranks, (ranks, ...); call it on all ranks.

    Lightning's ``all_gather`` uses a function that torch 2.15 deprecates.
    """
    if not _is_distributed():
        return row[None]
    rows = [torch.empty_like(row) for _ in range(distributed.get_world_size())]
    distributed.all_gather(rows, row.contiguous())
    return torch.stack(rows)


def joined_rows(x: Tensor) -> Tensor:
    """Rows (n, ...) of all ranks as (ranks * n, ...), differentiable.

    A rank's rows get the sum of their gradients on all ranks: where every rank computes
    the same loss of the joined rows, and gradients are averaged over ranks as in data
    parallel training, the update is that of one process.
    """
    return cast(Tensor, _Joined.apply(x)) if _is_distributed() else x


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
    """Data-parallel ``rank`` and ``world_size`` of this process.

    Processes that share one model get the same batches.
    """
    mesh = device_mesh(trainer.strategy)
    if mesh is None:
        return {"rank": trainer.global_rank, "world_size": trainer.world_size}
    data = mesh["data_parallel"]
    return {"rank": data.get_local_rank(), "world_size": data.size()}


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()
