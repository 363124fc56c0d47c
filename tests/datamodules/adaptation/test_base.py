"""Batches of two domains, and what is known once they were read."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules.data_contracts.contracts import (
    KnownClasses,
    LabelledBatch,
    NumberedBatch,
    RandomRows,
    TwoDomainBatch,
    TwoDomainData,
    UnlabelledBatch,
)
from tests.support.adapting import Herds, PixelHerds, SparseHerds
from tests.support.feature_sets import filled


@pytest.mark.parametrize("herds", [Herds, SparseHerds, PixelHerds])
def test_each_loader_gives_batches_of_its_kind(herds: type[Herds]) -> None:
    data = herds()
    data.setup("fit")
    val = data.val_dataloader()
    for loader, kind in (
        (data.train_dataloader(), TwoDomainBatch),
        (val[0], LabelledBatch),
        (val[1], LabelledBatch),
        (val[2], UnlabelledBatch),
        (data.predict_dataloader(), NumberedBatch),
    ):
        batch = next(iter(loader))
        assert type(batch) is kind
        assert type(data.on_after_batch_transfer(batch, 0)) is kind


def test_two_domains_say_what_the_contracts_ask() -> None:
    data = Herds()
    assert data.kind == "two_domains"
    for protocol in (TwoDomainData, KnownClasses, RandomRows):
        assert isinstance(data, protocol)


@pytest.mark.parametrize("herds", [Herds, SparseHerds, PixelHerds])
def test_random_rows_are_a_training_batch_on_the_scale_of_the_model(
    herds: type[Herds],
) -> None:
    data = herds()
    batch = data.random_rows("train", 6, torch.Generator().manual_seed(3))
    source = data.to_model_scale(filled(data.domains.source.x))
    for row, label in zip(filled(batch.source), batch.labels, strict=True):
        places = (source == row).all(1).nonzero().flatten()
        assert len(places) == 1
        assert data.domains.source.y[places[0]] == label
    assert len(batch.target) == 6
    assert len(data.random_rows("train", 99, torch.Generator()).target) == 40


def test_only_pixels_are_scaled() -> None:
    data = PixelHerds()
    labels = torch.tensor([0, 1, 2], dtype=torch.uint8)
    x = torch.tensor([[0, 255]], dtype=torch.uint8)
    batch: Any = TwoDomainBatch(x, labels.long(), x.float())
    scaled = data.on_after_batch_transfer(batch, 0)
    assert isinstance(scaled.source, Tensor)
    assert scaled.source.tolist() == [[-1.0, 1.0]]
    assert torch.equal(scaled.labels, labels.long())
    assert torch.equal(scaled.target, x.float())
