"""The eager and the compiled penalty."""

from typing import Any

import pytest
import torch

from benchmarks import penalty


def test_the_difference_of_gradients_is_relative() -> None:
    weight = torch.ones(2, requires_grad=True)

    def loss(factor: float) -> Any:
        return lambda: factor * weight.square().sum()

    assert penalty._difference(loss(1.0), loss(1.1), [weight]) == pytest.approx(0.1)
