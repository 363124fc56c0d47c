"""Refusal of sizes that the machine has no memory for."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy

MOST_TENSORS = 100_000
_SIGNS = re.compile("allocate|overflow|out of memory|too large", re.IGNORECASE)


def machine_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def is_memory_error(error: BaseException) -> bool:
    """Whether more memory was asked for than there is, or than a number can say.

    >>> is_memory_error(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    """
    if isinstance(error, MemoryError):
        return True
    kinds = RuntimeError | TypeError | OverflowError
    return isinstance(error, kinds) and bool(_SIGNS.search(str(error)))


@contextmanager
def fitting_in_memory(arguments: Mapping[str, Any]) -> Iterator[None]:
    """Build a network whose weights fit into the memory of this machine.

    A weight is counted before its values are set, when it occupies no memory yet.

    Args:
        arguments: What the network is built from.

    Raises:
        ValueError: Naming the argument with the largest number.
    """
    used = n_tensors = 0

    def count(_: nn.Module, name: str, weight: Any) -> None:
        nonlocal used, n_tensors
        if weight is None or is_lazy(weight) or weight.is_meta:
            return
        used += weight.numel() * weight.element_size()
        n_tensors += 1
        if used > machine_memory() or n_tensors > MOST_TENSORS:
            raise MemoryError(name)

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    except (MemoryError, RuntimeError, TypeError, OverflowError) as error:
        if not is_memory_error(error) or not arguments:
            raise
        key = max(arguments, key=lambda name: _largest(arguments[name]))
        value = str(arguments[key])
        shown = value if len(value) < 60 else f"{value[:60]}..."
        raise ValueError(
            f"{key} {shown} needs more memory than the {machine_memory() / 2**30:.3g} "
            "GiB of this machine: make it smaller."
        ) from error
    finally:
        hook.remove()


def _largest(value: Any) -> float:
    """The largest whole number in an argument, 0 where there is none."""
    if isinstance(value, list | tuple):
        return max(map(_largest, value), default=0)
    return value if isinstance(value, int) else 0
