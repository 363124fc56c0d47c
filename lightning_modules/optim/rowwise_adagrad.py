"""Row-wise Adagrad for embedding tables."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from lightning_modules.core.validation import check_nonnegative


class RowwiseAdagrad(Optimizer):
    r"""Adagrad with one step size for each row of a table.

    .. math:: s_r \leftarrow s_r + \tfrac1d \lVert g_r \rVert^2, \qquad
              w_r \leftarrow w_r - \frac{\eta}{\sqrt{s_r} + \epsilon} \, g_r

    The state is one number for each row instead of d. With the sparse gradients of an
    embedding (``sparse=True``) the cost of a step grows with the rows that have
    gradients, not with the table; dense gradients are accepted too, and rows whose
    gradient is 0 stay unchanged.

    Args:
        params: Tables (n, d).
        lr: eta.
        initial: First value of s.
        eps: epsilon.

    Raises:
        ValueError: If a number is out of its range, or a parameter is not a table.

    References:
        Duchi, Hazan, Singer 2011, JMLR 12; by rows as in DLRM, arXiv:1906.00091.

    >>> table = torch.nn.Embedding(3, 2, sparse=True)
    >>> optimizer = RowwiseAdagrad(table.parameters(), lr=0.1)
    >>> before = table.weight.detach().clone()
    >>> table(torch.tensor([2, 2])).sum().backward()
    >>> optimizer.step()
    >>> (before - table.weight.detach())[:, 0]
    tensor([0.0000, 0.0000, 0.1000])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.1,
        initial: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        check_nonnegative(lr=lr, initial=initial, eps=eps)
        super().__init__(params, {"lr": lr, "initial": initial, "eps": eps})
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim != 2:
                    raise ValueError(
                        "Parameters of RowwiseAdagrad must be tables (n, d), got shape "
                        f"{list(weight.shape)}."
                    )

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of the rows that have gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)
        return loss

    def _update(self, weight: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            first = weight.detach()[:, 0]  # sharded as the table is
            state["sum"] = torch.full_like(first, group["initial"])
        total, gradient = _local(state["sum"]), _local(weight.grad)
        weight = _local(weight)
        if not gradient.is_sparse:
            total.add_(gradient.square().mean(1))
            weight.sub_(self._step(gradient, total, group))
            return
        gradient = gradient.coalesce()
        (rows,), values = gradient.indices(), gradient.values()
        total.index_add_(0, rows, values.square().mean(1))
        weight.index_add_(0, rows, -self._step(values, total[rows], group))

    @staticmethod
    def _step(gradient: Tensor, total: Tensor, group: dict[str, Any]) -> Tensor:
        rate: Tensor = group["lr"] / (total.sqrt() + group["eps"])
        return gradient * rate[:, None]


def _local(tensor: Any) -> Any:
    """This process's shard of a tensor that may be sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
