"""Networks and YAML that would take all memory are refused."""

from typing import Any

import pytest
import torch
import yaml

from lightning_modules import ConvCritic, MLPCritic, MLPGenerator
from lightning_modules.core import memory
from lightning_modules.core.yaml_size import (
    DEEPEST,
    MOST_VALUES,
    RefusedYAMLError,
    read_yaml,
)
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


def doubled(times: int) -> str:
    """Lists of lists, each twice in the next: the last means 2 ** times words."""
    return "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, times)
    )


def test_each_use_of_an_alias_counts() -> None:
    assert len(read_yaml(doubled(13))) == 13  # type: ignore[arg-type]
    with pytest.raises(RefusedYAMLError, match=f"more than {MOST_VALUES:,} values"):
        read_yaml(doubled(40))


@pytest.mark.parametrize("text", ["&a [*a]", "&a {b: {c: *a}}"])
def test_what_stands_within_itself_is_refused(text: str) -> None:
    with pytest.raises(RefusedYAMLError, match="deep"):
        read_yaml(text)


def test_lists_may_stand_in_each_other_fifty_deep() -> None:
    read_yaml("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(RefusedYAMLError, match=f"more than {DEEPEST} deep"):
        read_yaml("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2))


def test_no_object_is_made() -> None:
    with pytest.raises(yaml.YAMLError, match="constructor"):
        read_yaml("!!python/object/apply:os.getcwd []")
    assert read_yaml("") is None
