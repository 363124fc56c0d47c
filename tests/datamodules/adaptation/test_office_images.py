"""Pictures of two domains: rows, labels and parts."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2.functional import center_crop, normalize

from callbacks.adaptation.confusion_matrix import confusion_matrix
from callbacks.adaptation.label_table import label_table
from callbacks.plotting.feature_plots import Labelled, feature_map
from callbacks.predictions.prediction_table import write_table
from datamodules.adaptation.office_images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    OfficeImages,
)
from lightning_modules.data_contracts.contracts import TwoDomainBatch
from tests.support.dense_domains import batches, dense, equal, parts
from tests.support.office_sets import (
    CLASSES,
    CROP,
    PER_CLASS,
    SIZE,
    office,
    pixels,
    save,
    write,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "amazon")
    write(tmp_path, "dslr")
    return tmp_path


def as_set(x: Tensor) -> set[bytes]:
    return {row.numpy().tobytes() for row in x}


def test_images_come_as_they_were_written_with_the_numbers_of_their_folders(
    root: Path,
) -> None:
    data = office(root)
    data.prepare_data()
    found = parts(data)
    assert data.class_names == CLASSES
    assert data.num_classes == 2
    label_of = {
        pixels(path).numpy().tobytes(): label
        for domain in ("amazon", "dslr")
        for label, name in enumerate(CLASSES)
        for path in (root / domain / name).iterdir()
    }
    seen = 0
    for rows in (found.source, found.source_val, found.target_test):
        assert [label_of[x.numpy().tobytes()] for x in rows.x] == rows.y.tolist()
        seen += len(rows.y)
    assert seen == len(label_of) == 4 * PER_CLASS
    assert found.target.dtype == torch.uint8


def test_a_folder_images_between_domain_and_classes_is_stepped_into(
    root: Path, tmp_path: Path
) -> None:
    write(tmp_path / "deep", "amazon", "images")
    write(tmp_path / "deep", "dslr", "images")
    assert equal(batches(office(root)), batches(office(tmp_path / "deep")))


def test_images_beside_other_classes_is_a_class(root: Path) -> None:
    for domain in ("amazon", "dslr"):
        write(root, domain, classes=["images"])
    data = office(root)
    data.setup()
    assert data.class_names == ("bike", "images", "mug")


def test_with_no_share_for_test_the_target_is_tested_on_what_it_is_trained_on(
    root: Path,
) -> None:
    found = parts(office(root, val_share=0.0))
    assert torch.equal(found.target, found.target_test.x)
    assert torch.equal(found.source.x, found.source_val.x)
    assert len(found.target) == len(found.source.x) == 2 * PER_CLASS


@pytest.mark.parametrize(("share", "n"), [(0.25, 3), (0.5, 6), (0.01, 1)])
def test_parts_share_no_row_and_lose_none_whatever_the_seed(
    root: Path, share: float, n: int
) -> None:
    found = [
        parts(office(root, val_share=share, target_test_share=share, seed=seed))
        for seed in (0, 1)
    ]
    for part in found:
        assert len(part.source_val.x) == len(part.target_test.x) == n
        for train, test in (
            (part.source.x, part.source_val.x),
            (part.target, part.target_test.x),
        ):
            assert not as_set(train) & as_set(test)
            assert len(as_set(train) | as_set(test)) == 2 * PER_CLASS
    assert torch.equal(found[0].target_test.x, found[1].target_test.x)
    assert torch.equal(found[0].source_val.x, found[1].source_val.x)


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_row_numbers_of_predictions_lead_to_files(root: Path, share: float) -> None:
    data = office(root, target_test_share=share)
    data.setup()
    rows: Tensor
    for rows, x in data.predict_dataloader():
        for row, picture in zip(rows.tolist(), x, strict=True):
            assert torch.equal(pixels(data.test_files[row]), picture)
            assert torch.equal(pixels(root / data.row_columns["file"][row]), picture)
    assert len(data.test_files) == len(data.domains.target_test)


def test_labels_of_the_target_reach_no_training_batch(root: Path) -> None:
    options: dict[str, Any] = {"target_test_share": 0.25, "crop": CROP, "flip": True}
    labelled = office(root, **options)
    truth = batches(labelled)
    for number in range(PER_CLASS // 2):  # half of the target changes its class
        one, other = (root / "dslr" / c / f"frame_{number}.png" for c in CLASSES)
        one.rename(other.with_name(f"z{number}.png"))
        other.rename(one)
    garbage = office(root, **options)
    assert equal(truth, batches(garbage))
    for name in CLASSES:  # and now there are no classes
        for path in (root / "dslr" / name).iterdir():
            path.rename(root / "dslr" / f"{name}_{path.name}")
        (root / "dslr" / name).rmdir()
    unlabelled = office(root, **options)
    assert equal(truth, batches(unlabelled))
    found = [parts(data).target_test for data in (labelled, garbage, unlabelled)]
    assert equal(found[0].x, found[2].x)
    assert not equal(found[0].y, found[1].y)
    assert (found[2].y == -1).all()
    assert unlabelled.class_names == CLASSES


def test_grey_images_become_colour(root: Path) -> None:
    shutil.rmtree(root / "dslr/mug")
    save(root / "dslr/mug/grey.png", np.full((SIZE, SIZE), 77, np.uint8))
    found = parts(office(root))
    grey = found.target_test.x[found.target_test.y == 1]
    assert torch.equal(grey, torch.full((1, 3, SIZE, SIZE), 77, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_size", 0),
        ("crop", -1),
        ("val_share", 1.0),
        ("target_test_share", -0.1),
        ("normalise", "none"),
    ],
)
def test_arguments_out_of_range_are_refused_by_their_key(
    key: str, value: object
) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} must be .*, got '?{value}"):
        OfficeImages(".", "amazon", "dslr", **{key: value})  # type: ignore[arg-type]


@pytest.mark.data
def test_the_real_images_are_as_many_as_published(real_data: Path) -> None:
    data = OfficeImages(
        str(real_data / "office_caltech10/images"),
        "webcam",
        "dslr",
        image_size=32,
        crop=4,
        on_corrupt="error",
        val_share=0.0,
    )
    data.prepare_data()
    found = parts(data)
    assert found.source.x.shape == (295, 3, 36, 36)
    webcam = [29, 21, 31, 27, 27, 30, 43, 30, 27, 30]
    dslr = [12, 21, 12, 13, 10, 24, 22, 12, 8, 23]
    assert found.source.y.bincount().tolist() == webcam
    assert found.target_test.y.bincount().tolist() == dslr
    assert data.class_names[:3] == ("backpack", "bike", "calculator")
    assert batches(data)[0][0].shape == (32, 3, 32, 32)


def test_linked_class_folders_are_found_and_hidden_ones_are_not(
    root: Path, tmp_path: Path
) -> None:
    plain = parts(office(root))
    apart = tmp_path / "elsewhere"
    for domain in ("amazon", "dslr"):
        (apart / domain).mkdir(parents=True)
        for name in CLASSES:
            (apart / domain / name).symlink_to(root / domain / name)
        hidden = apart / domain / ".ipynb_checkpoints"
        shutil.copytree(root / domain / CLASSES[0], hidden)
        (apart / domain / "all of it").symlink_to(apart / domain)  # a loop
    data = office(apart)
    found = parts(data)
    assert data.class_names == CLASSES
    assert equal(found.source.x, plain.source.x)
    assert torch.equal(found.source_val.y, plain.source_val.y)


def test_validation_rows_are_held_out_of_every_class(root: Path) -> None:
    found = parts(office(root, val_share=0.5))
    assert found.source.y.bincount().tolist() == [PER_CLASS // 2] * 2
    assert found.source_val.y.bincount().tolist() == [PER_CLASS // 2] * 2


def test_a_class_without_a_row_to_train_on_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="has no training row of class"):
        parts(office(root, val_share=0.99))


@pytest.mark.parametrize("crop", [0, 3, CROP])
def test_all_other_batches_are_cropped_in_the_centre(root: Path, crop: int) -> None:
    data = office(root, crop=crop, flip=True, target_test_share=0.25)
    found = parts(data)
    loaders = [*data.val_dataloader(), *data.test_dataloader()]
    kept = [found.source_val.x, found.target_test.x, found.target] * 2
    for loader, x in zip(loaders, kept, strict=True):
        seen = torch.cat([data.on_after_batch_transfer(b, 0)[0] for b in loader])
        middle = center_crop(x[..., : SIZE - crop % 2, : SIZE - crop % 2], SIZE - crop)
        assert torch.allclose(seen, middle / 127.5 - 1, atol=1e-6)
        assert seen.shape[1:] == data.shape
    generator = torch.Generator().manual_seed(0)
    assert dense(data.random_rows("train", 3, generator).source).shape[1:] == data.shape


def test_normalising_for_imagenet_is_that_of_torchvision(root: Path) -> None:
    data = office(root, crop=CROP, normalise="imagenet")
    batch = batches(data)[0]
    x, y, target = data.on_after_batch_transfer(TwoDomainBatch(*batch), 0)
    for seen, kept in ((x, batch[0]), (target, batch[2])):
        expected = normalize(
            kept.float() / 255, list(IMAGENET_MEAN), list(IMAGENET_STD)
        )
        assert torch.allclose(seen, expected, atol=1e-6)
    assert torch.equal(y, batch[1])


def test_names_that_are_not_utf_8_are_shown_by_their_bytes(tmp_path: Path) -> None:
    names = ("ph\udcf6tos", "sk\udce9tches")
    for domain in names:
        write(tmp_path, domain, classes=["caf\udce9", "mug"])
    data = office(tmp_path, source=names[0], target=names[1])
    data.setup()
    y = data.domains.target_test.y
    assert data.class_names == (r"caf\xe9", "mug")
    assert data.domain_names == (r"ph\xf6tos", r"sk\xe9tches")
    rows, shares = torch.arange(len(y)), torch.ones(len(y), 2)
    table = label_table(rows, shares, data.class_names, data.row_columns)
    for name in ("labels.csv", "labels.parquet"):
        write_table(table, tmp_path / name)
    assert r"sk\xe9tches/caf\xe9/frame_0.png" in table["file"].to_list()
    confusion_matrix(torch.eye(2).long(), data.class_names, "title")
    known = Labelled(y, 0 * y, data.class_names, data.domain_names)
    feature_map({"plane": shares}, known, "title")
