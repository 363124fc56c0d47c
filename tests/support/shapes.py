"""Functions without the checks of their shapes that tests add."""

import contextlib
import inspect

import jaxtyping
import pytest

from lightning_modules.adaptation import wdgrl
from lightning_modules.core import penalty
from lightning_modules.functional import lipschitz
from lightning_modules.functional.piecewise import PiecewiseLinear


def without_checks_of_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in tests only, and the compiler can't follow them."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    plain = {
        name: inspect.unwrap(function)
        for name, function in vars(lipschitz).items()
        if inspect.isfunction(function) and function.__module__ == lipschitz.__name__
    }
    plain["penalising"] = contextlib.contextmanager(plain["penalising"])
    for module in (lipschitz, penalty, wdgrl):
        for name in plain.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, plain[name])
    swap = inspect.unwrap(PiecewiseLinear.__torch_function__)
    monkeypatch.setattr(PiecewiseLinear, "__torch_function__", swap)
