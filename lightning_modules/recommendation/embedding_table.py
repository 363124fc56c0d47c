"""Embedding table with sparse gradients, optionally sharded."""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from typing_extensions import override

from lightning_modules.core.memory import fitting_in_memory


class EmbeddingTable(nn.Embedding):
    """Embedding table (n, d) with sparse gradients.

    Sharded over a mesh of processes, each holds a block of rows with its gradients and
    optimizer state. Gradients are then dense over the block; see docs/decisions/0012.

    Args:
        n: Number of rows.
        dim: d.

    Raises:
        ValueError: If the machine has no memory for it.

    >>> table = EmbeddingTable(5, 2)
    >>> table(torch.tensor([[3, 3, 0]])).shape, table.part(slice(1, 4)).shape
    (torch.Size([1, 3, 2]), torch.Size([3, 2]))
    """

    def __init__(self, n: int, dim: int) -> None:
        with fitting_in_memory({"dim": dim}):
            super().__init__(n, dim, sparse=True)

    def shard(self, mesh: DeviceMesh) -> None:
        """Shard the rows over a mesh; call it on all its processes."""
        if not isinstance(self.weight, DTensor):
            block = distribute_tensor(self.weight.detach(), mesh, [Shard(0)])
            self.weight = nn.Parameter(block)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (..., d) of numbers int64 (...), equal on all processes if sharded."""
        if not isinstance(self.weight, DTensor):
            looked_up = super().forward(rows)
            in_ranks = distributed.is_available() and distributed.is_initialized()
            return cast(Tensor, _Own.apply(looked_up)) if in_ranks else looked_up
        block = self.weight.to_local()
        local = rows - self._first
        mine = (local >= 0) & (local < len(block))
        part = nn.functional.embedding(local * mine, block) * mine[..., None]
        return cast(Tensor, _Sum.apply(part, self.weight.device_mesh.get_group()))

    @torch.no_grad()
    def part(self, rows: slice) -> Tensor:
        """Rows (m, d) of a slice, without gradients."""
        if not isinstance(self.weight, DTensor):
            return self.weight.detach()[rows]
        first, last, _ = rows.indices(self.num_embeddings)
        numbers = torch.arange(first, last, device=self.weight.device)
        return cast(Tensor, self(numbers))

    def own(self, rows: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """This process's block (m, d), and the positions in it of rows int64 (k,)."""
        weight = self.weight.detach()
        if not isinstance(weight, DTensor):
            return weight, rows
        block = weight.to_local()
        if rows is None:
            return block, None
        local = rows - self._first
        return block, local[(local >= 0) & (local < len(block))]

    @property
    def _first(self) -> int:
        """Number of this process's first row."""
        mesh = cast(DTensor, self.weight).device_mesh
        return -(-self.num_embeddings // mesh.size()) * mesh.get_local_rank()


class _Own(torch.autograd.Function):
    """Identity whose gradient shares no memory.

    The values of a sparse gradient are those of the rows' gradient, which other terms
    may still use, and DDP divides them in place by the number of processes.
    """

    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0].clone()


class _Sum(torch.autograd.Function):
    """Sum over processes, with the identity as backward pass."""

    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, group: Any) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0], None
