"""Gathering of rows from all processes, in the order of their ranks."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, distributed

from lightning_modules.core.lightning_internals import device_mesh


class RankError(RuntimeError):
    """A rank that does not answer, or that reads other data than its fellows."""


def rows_of_all_ranks(row: Tensor) -> Tensor:
    """Stacked tensors of all ranks, (ranks, ...); call it on all ranks.

    Lightning's ``all_gather`` uses a function that torch 2.15 deprecates.
    """
    if not is_distributed():
        return row[None]
    rows = [torch.empty_like(row) for _ in range(distributed.get_world_size())]
    distributed.all_gather(rows, row.contiguous())
    return torch.stack(rows)


def on_any_rank(flag: bool, device: torch.device) -> bool:
    """Whether a flag is set on one of the processes; call it on all of them."""
    if not is_distributed():
        return flag
    total = torch.tensor(float(flag), device=device)
    distributed.all_reduce(total)
    return bool(total)


class OnTheWay:
    """Sums over all processes of numbers on a device, on their way to the host.

    Nothing waits until `arrived` is called, which all processes do.

    Args:
        numbers: Scalars of one device.

    >>> OnTheWay([torch.tensor(1.0), torch.tensor(2.0)]).arrived()
    [1.0, 2.0]
    """

    def __init__(self, numbers: Sequence[Tensor]) -> None:
        total = torch.stack([x.detach() for x in numbers])
        self._sums = total.to(torch.promote_types(total.dtype, torch.float32))
        self._work = None
        if is_distributed():  # only a CPU's collectives make the host wait
            self._work = distributed.all_reduce(self._sums, async_op=self._sums.is_cpu)
        self._event: torch.cuda.Event | None = None
        if self._sums.is_cuda:
            pinned = torch.empty_like(self._sums, device="cpu", pin_memory=True)
            self._sums = pinned.copy_(self._sums, non_blocking=True)
            self._event = torch.cuda.current_stream(total.device).record_event()

    def arrived(self) -> list[float]:
        """The sums, as soon as they are there."""
        if self._work is not None:
            self._work.wait()
        if self._event is not None:
            self._event.synchronize()
        sums: list[float] = self._sums.tolist()
        return sums


def joined_rows(x: Tensor) -> Tensor:
    """Rows (n, ...) of all ranks as (ranks * n, ...), differentiable.

    A rank's rows get the sum of their gradients on all ranks: where every rank computes
    the same loss of the joined rows, and gradients are averaged over ranks as in data
    parallel training, the update is that of one process.
    """
    return cast(Tensor, _Joined.apply(x)) if is_distributed() else x


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


def is_distributed() -> bool:
    """Whether this process has others beside it."""
    return distributed.is_available() and distributed.is_initialized()
