"""What `python -m benchmarks accelerator` does, here on the CPU and on a GPU."""

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks import accelerator, generative
from benchmarks.device_checks import CHECKS
from lightning_modules.functional import lipschitz
from tests.support.shapes import without_checks_of_shapes

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many"),
    pytest.mark.filterwarnings("ignore:.*weights_only"),
]


COMPILES = "compiled penalty beside eager"  # a minute on the CPU; see test_compiled.py


@pytest.mark.parametrize("name", [name for name in CHECKS if name != COMPILES])
def test_it_holds_on_the_cpu(name: str) -> None:
    assert CHECKS[name]("cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("name", list(CHECKS))
def test_it_holds_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_checks_of_shapes(monkeypatch)
    assert CHECKS[name]("cuda")


def test_a_penalty_of_another_direction_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = lipschitz.gradient_penalty

    def coarse(critic: Any, real: Tensor, fake: Tensor, epsilon: Tensor) -> Tensor:
        penalty = original(critic, real, fake, epsilon)
        exact = real.dtype == torch.float64
        return penalty if exact else penalty + critic(real).mean()

    monkeypatch.setattr(lipschitz, "gradient_penalty", coarse)
    with pytest.raises(AssertionError, match=r"1 - cosine is .*, more than 0.02"):
        CHECKS["double backward under autocast"]("cpu")


def test_one_method_is_timed_on_the_cpu() -> None:
    (row,) = accelerator.wgan_gp_rows("cpu", generative.PAIRS["digits"], steps=2)
    assert row["variant"] == "eager"
    assert row["beside eager"] == "1.00"
    assert float(row["real images a second"].replace(",", "")) > 0
    assert 0 < float(row["share of the matrix rate"].rstrip("%")) < 100
