"""Floating-point operations of products and convolutions, by torch's own formulas."""

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts within a ``with`` block.

    torch's `FlopCounterMode` follows modules as well, for which it asks the backward
    pass for nodes that `torch.autograd.grad` does not have.

    >>> import torch
    >>> with FlopCounter() as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 5)
    >>> counter.flops
    60
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and add what it costs."""
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out


def count(call: Callable[[], object]) -> int:
    """Of one call."""
    with FlopCounter() as counter:
        call()
    return int(counter.flops)
