"""torch.compile with eager fallback."""

import warnings
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from lightning_modules.core.lightning_internals import compiling_backward_at_once
from lightning_modules.functional.piecewise import PiecewiseLinear

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function that is compiled on its first call, and again for other shapes.

    Where the compiler fails, a warning says so once, and the function runs as it was
    written from then on. What the function itself refuses is raised as ever. At a
    ninth shape, torch's limit, it is given up in the same way.

    Copies and what is unpickled compile anew.

    Attributes:
        failed: Whether it runs as it was written from now on.

    Args:
        function: Of tensors; what else it reads are its constants.
        told: Reasons of failures that were told already; others are added.

    >>> Compiled(torch.add).function(torch.ones(1), 1)
    tensor([2.])
    """

    def __init__(self, function: Callable[P, R], told: set[str] | None = None) -> None:
        self.function = function
        self._told = set() if told is None else told
        self._fast: Callable[P, R] | None = None
        self.failed = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it, compiled or not."""
        if self.failed:
            return self.function(*args, **kwargs)
        try:
            return self._compiling(*args, **kwargs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            value = self.function(*args, **kwargs)  # the caller's mistakes come again
            self.failed = True
            self._tell(error)
            return value

    def _compiling(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._fast is not None:
            return self._fast(*args, **kwargs)
        # Training has one shape, and code for any shape is up to twice as slow. What is
        # compiled in parts can't be differentiated twice.
        bent = _bent(self.function)
        self._fast = torch.compile(bent, dynamic=False, fullgraph=True)
        # The backward pass too, so that what can't be compiled of it fails here.
        with compiling_backward_at_once():
            return self._fast(*args, **kwargs)

    def _tell(self, error: Exception) -> None:
        lines = [x for x in str(error).splitlines() if x and not x.endswith("raised:")]
        reason = next(iter(lines), type(error).__name__)
        if reason not in self._told:
            self._told.add(reason)
            name = getattr(self.function, "__qualname__", type(self.function).__name__)
            warnings.warn(
                f"{name} could not be compiled and runs as it is written: {reason}",
                stacklevel=3,
            )

    def __reduce__(self) -> Any:
        """What torch compiled belongs to this process."""
        return Compiled, (self.function, self._told)


class Compiler:
    """The functions of one module, each compiled once.

    Args:
        enabled: False leaves every function as it is.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._functions: dict[Callable[..., Any], Any] = {}
        self._told: set[str] = set()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, compiled if that is asked for."""
        if not self.enabled:
            return function
        new = Compiled(function, self._told)
        compiled: Callable[P, R] = self._functions.setdefault(function, new)
        return compiled

    @property
    def failed(self) -> bool:
        """Whether one of them runs as it is written."""
        return any(function.failed for function in self._functions.values())


def _bent(function: Callable[P, R]) -> Callable[P, R]:
    """The function with ReLUs in the form that inductor carries out fast."""

    def bent(*args: P.args, **kwargs: P.kwargs) -> R:
        with PiecewiseLinear():
            return function(*args, **kwargs)

    # torch counts what it compiled by the code, and stops at eight.
    bent.__code__ = bent.__code__.replace()
    return bent
