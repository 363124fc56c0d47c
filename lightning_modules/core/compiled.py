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

    Where the compiler fails, a warning says so once, and the function runs eagerly from
    then on. Errors of the function itself are raised unchanged. A ninth shape, torch's
    limit, counts as a failure.

    Copies and unpickled objects compile again.

    Attributes:
        failed: Whether the function runs eagerly from now on.

    Args:
        function: A function of tensors; all else that it reads must be constant.
        reported: Reasons of failures that were reported before; others are added.

    >>> Compiled(torch.add).function(torch.ones(1), 1)
    tensor([2.])
    """

    def __init__(
        self, function: Callable[P, R], reported: set[str] | None = None
    ) -> None:
        self.function = function
        self._reported = set() if reported is None else reported
        self._fast: Callable[P, R] | None = None
        self.failed = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, compiled or eager."""
        if self.failed:
            return self.function(*args, **kwargs)
        try:
            return self._compiling(*args, **kwargs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            value = self.function(*args, **kwargs)  # raises the caller's mistakes again
            self.failed = True
            self._report(error)
            return value

    def _compiling(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._fast is not None:
            return self._fast(*args, **kwargs)
        # Training has one shape, and code for any shape is up to twice as slow. A graph
        # with breaks can't be differentiated twice.
        function = _piecewise(self.function)
        self._fast = torch.compile(function, dynamic=False, fullgraph=True)
        # The backward pass too, so that a failure to compile it is raised here.
        with compiling_backward_at_once():
            return self._fast(*args, **kwargs)

    def _report(self, error: Exception) -> None:
        lines = [x for x in str(error).splitlines() if x and not x.endswith("raised:")]
        reason = next(iter(lines), type(error).__name__)
        if reason not in self._reported:
            self._reported.add(reason)
            name = getattr(self.function, "__qualname__", type(self.function).__name__)
            warnings.warn(
                f"{name} could not be compiled and runs eagerly: {reason}",
                stacklevel=3,
            )

    def __reduce__(self) -> Any:
        """Pickle without the compiled code, which belongs to this process."""
        return Compiled, (self.function, self._reported)


class Compiler:
    """Compiler of the functions of one module, each once.

    Args:
        enabled: Whether to compile; False returns functions unchanged.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._functions: dict[Callable[..., Any], Any] = {}
        self._reported: set[str] = set()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, compiled if enabled."""
        if not self.enabled:
            return function
        new = Compiled(function, self._reported)
        compiled: Callable[P, R] = self._functions.setdefault(function, new)
        return compiled

    @property
    def failed(self) -> bool:
        """Whether one of the functions runs eagerly after a failure."""
        return any(function.failed for function in self._functions.values())


def _piecewise(function: Callable[P, R]) -> Callable[P, R]:
    """The function with the ReLUs of `PiecewiseLinear`, which inductor runs fast."""

    def piecewise(*args: P.args, **kwargs: P.kwargs) -> R:
        with PiecewiseLinear():
            return function(*args, **kwargs)

    # torch counts recompilations by code object, and stops at eight.
    piecewise.__code__ = piecewise.__code__.replace()
    return piecewise
