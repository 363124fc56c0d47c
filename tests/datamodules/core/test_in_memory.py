"""What a batch holds, and how data, seeds, workers and processes decide it."""

from typing import Any

import pytest
import torch
from torch import Tensor

from datamodules import Digits, InMemoryDataModule, PointClouds
from lightning_modules.data_contracts.contracts import (
    KnownData,
    LabelledBatch,
    RandomRows,
    SampleShape,
    SampleSource,
)
from tests.support.small_images import SmallImages, small_images


def batches(data: InMemoryDataModule, epochs: int = 1) -> list[tuple[Tensor, Tensor]]:
    loader = data.train_dataloader()
    return [batch for _ in range(epochs) for batch in loader]


@pytest.mark.parametrize("flip", [False, True])
def test_batches_do_not_depend_on_the_number_of_workers(flip: bool) -> None:
    runs = [
        batches(small_images(num_workers=workers, seed=5, flip=flip), epochs=2)
        for workers in (0, 1, 2)
    ]
    assert [len(run) for run in runs] == [6, 6, 6]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])


def test_seeds_give_different_orders_and_the_same_seed_the_same() -> None:
    orders = [
        torch.cat([y for _, y in batches(small_images(seed=seed))])
        for seed in (0, 0, 1)
    ]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_about_half_of_the_images_are_mirrored_and_the_rest_untouched() -> None:
    data = small_images(flip=True)
    mirrored = 0
    for x, y in batches(data, epochs=100):
        for picture, row in zip(x, y, strict=True):
            kept = data.train_set.x[row]
            is_flipped = torch.equal(picture, kept.flip(-1))
            assert is_flipped or torch.equal(picture, kept)
            mirrored += is_flipped
    assert 370 < mirrored < 530  # of 900, standard deviation 15


def test_only_training_images_are_mirrored() -> None:
    data = small_images(flip=True)
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert torch.equal(torch.cat([x for x, _ in loader]), data.val_set.x)


def test_pixels_stay_bytes_until_the_batch_is_on_the_device() -> None:
    data = small_images()
    batch = next(iter(data.train_dataloader()))
    assert batch[0].dtype == torch.uint8
    x, y = data.on_after_batch_transfer(batch, 0)
    assert x.dtype == torch.float32
    assert torch.equal(y, batch[1])
    assert torch.allclose((x + 1) * 127.5, batch[0].float(), atol=1e-5)


@pytest.mark.parametrize(("data", "white"), [(small_images(), 255), (Digits(), 16)])
def test_black_is_minus_one_and_white_is_one(
    data: InMemoryDataModule, white: int
) -> None:
    pixels = torch.tensor([0, white], dtype=torch.uint8)
    assert data.to_model_scale(pixels).tolist() == [-1.0, 1.0]


def test_points_and_sample_numbers_pass_unchanged() -> None:
    data = small_images()
    points, numbers = torch.tensor([[3.5, -2.0]]), torch.tensor([7])
    assert torch.equal(data.to_model_scale(points), points)
    assert torch.equal(data.on_after_batch_transfer(numbers, 0), numbers)


def test_real_gives_the_first_samples_in_order_on_the_scale_of_the_model() -> None:
    data = SmallImages(batch_size=3)
    assert torch.equal(data.real("val", 2), data.to_model_scale(data.val_set.x[:2]))
    assert len(data.real("train", 99)) == len(data.real("test")) == 10


def test_random_rows_are_others_for_another_state_and_none_twice() -> None:
    data = SmallImages(batch_size=3)
    generator = torch.Generator().manual_seed(0)
    everything = [row.flatten().tolist() for row in data.real("train")]
    drawn = [data.random_rows("train", 6, generator) for _ in range(2)]
    for x, y in drawn:
        assert isinstance(x, Tensor)
        found = [everything.index(row.flatten().tolist()) for row in x]
        assert found == y.tolist()
        assert len(set(found)) == 6
    assert not torch.equal(drawn[0].y, drawn[1].y)
    assert len(data.random_rows("test", 99, generator).y) == 10


def test_prediction_counts_through_the_samples_and_reads_no_data() -> None:
    data = SmallImages(batch_size=3, n_predict=7)
    data.setup("predict")
    assert [b.tolist() for b in data.predict_dataloader()] == [
        [0, 1, 2],
        [3, 4, 5],
        [6],
    ]
    assert not hasattr(data, "train_set")


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"batch_size": 0}, "data.batch_size must be .* got 0"),
        ({"batch_size": 1, "num_workers": -1}, "data.num_workers must be .* got -1"),
        ({"batch_size": 1, "n_predict": 0}, "data.n_predict must be .* got 0"),
    ],
)
def test_a_number_out_of_range_is_refused_by_its_key(
    arguments: dict[str, Any], key: str
) -> None:
    with pytest.raises(ValueError, match=key):
        SmallImages(**arguments)


def test_a_batch_larger_than_the_data_is_refused_with_the_largest_that_fits() -> None:
    data = PointClouds("ring8", batch_size=101, n_train=100)
    data.setup("fit")
    with pytest.raises(ValueError, match=r"data\.batch_size: 101 .* at most 100"):
        data.train_dataloader()


def test_batches_are_labelled_until_prediction() -> None:
    data = small_images()
    for loader in (data.train_dataloader(), data.val_dataloader()):
        batch = next(iter(loader))
        assert type(batch) is LabelledBatch
        assert type(data.on_after_batch_transfer(batch, 0)) is LabelledBatch
    assert data.kind == "samples"
    for protocol in (KnownData, SampleShape, SampleSource, RandomRows):
        assert isinstance(data, protocol)
