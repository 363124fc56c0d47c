"""Batches of loaders of a user's own are understood, or refused in one sentence."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, TensorDataset

from lightning_modules import CML, WDGRL, WGANGP, Classifier, MetricLearner
from lightning_modules.data_contracts.batches import (
    domains_of,
    interactions_of,
    labelled_of,
    samples_of,
)
from tests.support.methods import build
from tests.support.trainers import QUIET_TRAINER

X, Y = torch.randn(8, 2), torch.arange(8) % 2
ODD: dict[str, Any] = {
    "dict of an image": {"image": X, "label": Y},
    "dict without labels": {"source": X, "target": X},
    "words": "words",
    "nothing": (),
    "list of words": ["a", "b"],
    "None": None,
}

pytestmark = pytest.mark.filterwarnings("ignore:You defined a `validation_step`")


@pytest.mark.parametrize("read", [samples_of, labelled_of, domains_of, interactions_of])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_another_batch_is_refused_in_one_sentence(
    read: Callable[[Any], Any], odd: Any
) -> None:
    with pytest.raises(ValueError, match=r"A batch of this method is .*, but is ") as e:
        read(odd)
    assert str(e.value).endswith("change the data loader.")


@pytest.mark.parametrize("target", [X, (X, Y), [X]])
def test_a_dict_of_two_domains_is_their_batch(target: Any) -> None:
    source, labels, rows = domains_of({"source": (X, Y), "target": target})
    assert source is X
    assert labels is Y
    assert rows is X
    assert domains_of((X, Y, X)).target is X


def fit(method: Any, loader: Any) -> Trainer:
    module, _ = build(method)
    trainer = Trainer(max_steps=2, limit_val_batches=0, **QUIET_TRAINER)
    trainer.fit(module, loader)
    return trainer


def test_loaders_of_two_domains_can_be_combined() -> None:
    source = DataLoader(TensorDataset(X, Y), batch_size=4)
    target = DataLoader(TensorDataset(X, Y), batch_size=4)
    loader = CombinedLoader({"source": source, "target": target})
    assert fit(WDGRL, loader).global_step == 2


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (WGANGP, "A batch of this method is x or"),
        (WDGRL, r"A batch of this method is .source, labels, target"),
        (MetricLearner, r"A batch of this method is .x, y"),
        (Classifier, r"A batch of this method is .x, y"),
        (CML, "CML ranks items for users, but a loader has no users and items"),
    ],
)
def test_a_method_refuses_dicts_of_a_loader_in_one_sentence(
    method: Any, says: str
) -> None:
    rows: Any = [{"image": x, "label": y} for x, y in zip(X, Y, strict=True)]
    with pytest.raises(ValueError, match=says):
        fit(method, DataLoader(rows, batch_size=4))
