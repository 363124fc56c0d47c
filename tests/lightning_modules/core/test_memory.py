from typing import Any

import pytest
import torch

from lightning_modules import ConvCritic, MLPCritic, MLPGenerator
from lightning_modules.core import memory
from lightning_modules.recommendation.embedding_table import EmbeddingTable

HUGE: list[tuple[Any, dict[str, Any], str]] = [
    (MLPCritic, {"shape": (2,), "hidden": (10**7, 10**7)}, "hidden"),
    (MLPCritic, {"shape": (2,), "hidden": (10**20,)}, "hidden"),
    (MLPCritic, {"shape": (10**9, 10**9)}, "shape"),
    (MLPGenerator, {"latent_dim": 10**12, "shape": (2,)}, "latent_dim"),
    (ConvCritic, {"shape": (1, 8, 8), "width": 10**9}, "width"),
    (EmbeddingTable, {"n": 10**4, "dim": 10**12}, "dim"),
]


@pytest.mark.parametrize(("cls", "arguments", "key"), HUGE)
def test_a_network_that_no_machine_holds_is_refused_by_its_argument(
    cls: Any, arguments: dict[str, Any], key: str
) -> None:
    with pytest.raises(ValueError, match=f"^{key} .* needs more memory than the"):
        cls(**arguments)


def test_weights_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 4 * 500)
    MLPCritic((2,), hidden=(10, 10))  # 151 weights
    with pytest.raises(ValueError, match=r"^hidden \(20, 20, 20\) needs"):
        MLPCritic((2,), hidden=(20, 20, 20))  # each layer alone would fit
    monkeypatch.setattr(memory, "MOST_TENSORS", 10)
    with pytest.raises(ValueError, match=r"^hidden .*\.\.\. needs"):
        MLPCritic((2,), hidden=(3,) * 40)


def test_other_errors_of_a_constructor_stay_as_they_are() -> None:
    with pytest.raises(TypeError, match="plain"), memory.fitting_in_memory({"a": 1}):
        raise TypeError("plain")
    torch.nn.Linear(2, 2)  # no hook stays
