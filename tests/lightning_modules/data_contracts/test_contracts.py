"""Which methods take which data, and in which words other data is refused."""

import inspect

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import nn

import datamodules
from datamodules import Digits, LabelledTable, PlantedInteractions, PointClouds
from lightning_modules import WGANGP, Classifier, MLPCritic, MLPGenerator
from lightning_modules.core.module import AlternatingModule
from lightning_modules.data_contracts.batches import samples_of
from lightning_modules.data_contracts.contracts import (
    DESCRIPTIONS,
    HasPoints,
    InteractionSource,
    KnownData,
    LabelledBatch,
    RandomRows,
    SampleSource,
    check_kind,
)
from tests.support.shipped import METHODS, topic_of

DATA = [
    cls
    for cls in (getattr(datamodules, name) for name in datamodules.__all__)
    if isinstance(cls, type)
    and issubclass(cls, LightningDataModule)
    and not inspect.isabstract(cls)
]


def fits(method: type, data: type) -> bool:
    """Data of a topic is for the methods of that topic; a classifier takes images."""
    topic = "generative" if method is Classifier else topic_of(method)
    return topic == topic_of(data)


@pytest.mark.parametrize("data", DATA, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("method", METHODS, ids=lambda cls: cls.__name__)
def test_a_method_takes_the_data_of_its_topic_and_refuses_all_other_in_one_sentence(
    method: type[LightningModule], data: type[LightningDataModule]
) -> None:
    assert issubclass(method, AlternatingModule)
    unread = data.__new__(data)
    if fits(method, data):
        check_kind(method, method.takes, unread)
        return
    with pytest.raises(ValueError, match=f"^{method.__name__} takes ") as refused:
        method.check_data(method.__new__(method), unread)
    sentence = str(refused.value)
    assert f"but {data.__name__} gives " in sentence
    assert sentence.index(".") == len(sentence) - 1
    assert "\n" not in sentence


@pytest.mark.parametrize("method", METHODS, ids=lambda cls: cls.__name__)
def test_data_that_says_no_kind_is_taken_at_its_word(
    method: type[LightningModule],
) -> None:
    assert issubclass(method, AlternatingModule)
    check_kind(method, method.takes, LightningDataModule())


def test_plain_data_of_the_right_shape_passes_all_checks_of_a_method() -> None:
    model = WGANGP(MLPGenerator(2, (2,)), MLPCritic((2,)))
    model.check_data(LightningDataModule())


def test_every_kind_of_data_is_described_and_given_by_what_the_sentence_names() -> None:
    for kind, (_, examples) in DESCRIPTIONS.items():
        names = examples.replace(" or ", ", ").split(", ")
        assert {getattr(datamodules, name).kind for name in names} == {kind}


def test_protocols_tell_what_data_modules_offer() -> None:
    clouds, table, pairs = PointClouds("ring8"), LabelledTable(), PlantedInteractions()
    assert all(isinstance(data, KnownData) for data in (clouds, table, pairs))
    assert isinstance(clouds, SampleSource)
    assert isinstance(clouds, RandomRows)
    assert isinstance(pairs, InteractionSource)
    assert not isinstance(pairs, SampleSource)
    assert not isinstance(LightningDataModule(), KnownData)
    assert not isinstance(nn.Linear(1, 1), HasPoints)


def test_samples_are_the_first_part_of_a_batch_or_all_of_it() -> None:
    x, y = torch.randn(3, 2), torch.arange(3)
    assert all(samples_of(batch) is x for batch in (x, (x, y), LabelledBatch(x, y)))


def test_random_rows_are_a_batch_with_its_labels() -> None:
    digits = Digits(n_held_out=1700)
    batch = digits.random_rows("train", 5, torch.Generator().manual_seed(0))
    assert isinstance(batch, LabelledBatch)
    every = digits.real("train")
    assert isinstance(batch.x, torch.Tensor)
    for x, y in zip(batch.x, batch.y, strict=True):
        (row,) = (every == x).flatten(1).all(1).nonzero()[0]
        assert digits.train_set.y[row] == y
