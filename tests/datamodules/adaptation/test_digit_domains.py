"""Pairs of digit data sets, tried on small files in the original formats."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.adaptation.digit_domains import DigitDomains, DigitName
from datamodules.readers.images.convert import same_form
from datamodules.readers.images.digit_box import in_mnist_box
from tests.support import digit_sets as sets
from tests.support.dense_domains import batches, equal, parts
from tests.support.digit_sets import MADE, written


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return sets.write_all(tmp_path, monkeypatch)


def domains(
    root: Path, source: DigitName, target: DigitName, **options: Any
) -> DigitDomains:
    settings = {"n_val": 5, "batch_size": 4, "batches_per_epoch": 6, **options}
    return DigitDomains(source, target, str(root), **settings)


@pytest.mark.parametrize(
    ("source", "target"), [pair for pair in product(MADE, MADE) if len(set(pair)) > 1]
)
def test_both_domains_take_the_same_form_and_the_standard_parts(
    root: Path, source: DigitName, target: DigitName
) -> None:
    data = domains(root, source, target, image_size=16, channels=3)
    found = parts(data)
    assert data.shape == (3, 16, 16)
    assert data.domain_names == (source, target)
    assert found.source.x.shape == (15, *data.shape)
    assert found.source_val.x.shape == (5, *data.shape)
    assert found.target.shape == (20, *data.shape)
    assert found.target_test.x.shape == (12, *data.shape)
    assert found.source.x.dtype == found.target.dtype == torch.uint8
    assert found.source.y.tolist() == sets.labels("train")[:15].tolist()
    assert found.source_val.y.tolist() == sets.labels("train")[15:].tolist()
    assert found.target_test.y.tolist() == sets.labels("test").tolist()


@pytest.mark.parametrize("size", [16, 28, 32])
def test_rows_of_each_part_are_those_of_its_files_in_the_wanted_form(
    root: Path, size: Any
) -> None:
    found = parts(domains(root, "mnist", "svhn", image_size=size))
    source = same_form(written("mnist", "train"), size, 1)
    assert torch.equal(torch.cat([found.source.x, found.source_val.x]), source)
    assert torch.equal(found.target, same_form(written("svhn", "train"), size, 1))
    test = same_form(written("svhn", "test"), size, 1)
    assert torch.equal(found.target_test.x, test)


def test_the_same_data_set_twice_trains_with_its_own_labels(root: Path) -> None:
    found = parts(domains(root, "usps", "usps", image_size=16))
    assert torch.equal(found.target[:15], found.source.x)
    assert torch.equal(found.target_test.x, written("usps", "test"))


def test_a_limit_keeps_the_first_rows_of_training_and_all_of_evaluation(
    root: Path,
) -> None:
    whole = parts(domains(root, "usps", "mnist"))
    found = parts(domains(root, "usps", "mnist", limit=7))
    assert torch.equal(found.source.x, whole.source.x[:7])
    assert torch.equal(found.source.y, whole.source.y[:7])
    assert torch.equal(found.target, whole.target[:7])
    assert torch.equal(found.source_val.x, whole.source_val.x)
    assert torch.equal(found.target_test.x, whole.target_test.x)


def test_batches_do_not_depend_on_the_number_of_workers(root: Path) -> None:
    runs = [batches(domains(root, "mnist", "usps", num_workers=w), 2) for w in (0, 2)]
    assert len(runs[0]) == 12
    assert equal(*runs)


@pytest.mark.parametrize(("source", "target"), [("mnist", "usps"), ("usps", "mnist")])
def test_labels_of_the_target_reach_no_training_batch(
    tmp_path: Path, source: DigitName, target: DigitName
) -> None:
    write = {"mnist": sets.write_mnist, "usps": sets.write_usps}
    runs, tests = [], []
    for garbage in (False, True):
        root = tmp_path / str(garbage)
        write[source](root)
        write[target](root, garbage=garbage)
        data = domains(root, source, target)
        runs.append(batches(data))
        tests.append(parts(data).target_test.y)
    assert equal(*runs)
    assert not torch.equal(*tests)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("source", "mnits"),
        ("target", "emnist"),
        ("image_size", 64),
        ("channels", 2),
        ("n_val", -1),
        ("limit", 0),
        ("warp", 1.5),
    ],
)
def test_arguments_out_of_range_are_refused_by_their_key(
    key: str, value: object
) -> None:
    with pytest.raises(ValueError, match=rf"data\.{key} must be .*, got '?{value}"):
        DigitDomains(**{key: value})  # type: ignore[arg-type]


def test_a_validation_part_that_leaves_nothing_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.n_val is 20"):
        domains(root, "mnist", "usps", n_val=20).setup()


@pytest.mark.parametrize(("source", "target"), [("mnist", "usps"), ("usps", "mnist")])
def test_digits_are_brought_to_the_same_box(
    root: Path, source: DigitName, target: DigitName
) -> None:
    plain = parts(domains(root, source, target))
    boxed = parts(domains(root, source, target, same_box=True))
    for name in ("source", "source_val", "target_test"):
        x = getattr(boxed, name).x
        assert x.shape == getattr(plain, name).x.shape
        assert x.dtype == torch.uint8
        assert torch.equal(getattr(boxed, name).y, getattr(plain, name).y)
    raw = written(target, "train")[: len(boxed.target)]
    assert torch.equal(boxed.target, in_mnist_box(raw, 28))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"target": "svhn"}, "not for svhn; leave it out"),
        ({"source": "mnist_m"}, "not for mnist_m"),
        ({"channels": 3}, "set data.channels 1"),
    ],
)
def test_a_box_of_digits_that_are_not_on_black_is_refused(
    options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=rf"data\.same_box: true is for .*{named}"):
        DigitDomains(same_box=True, **options)


def test_training_images_alone_are_warped(root: Path) -> None:
    data, plain = (domains(root, "mnist", "usps", warp=warp) for warp in (0.2, 0.0))
    changed, same = batches(data), batches(plain)
    assert len(changed) == len(same)
    for (source, labels, target), (old_source, old_labels, old_target) in zip(
        changed, same, strict=True
    ):
        assert torch.equal(labels, old_labels)
        assert not torch.equal(source, old_source)
        assert not torch.equal(target, old_target)
    assert torch.equal(parts(data).target_test.x, parts(plain).target_test.x)


@pytest.mark.data
def test_real_mnist_is_in_its_box_already(real_data: Path) -> None:
    whole = DigitDomains("mnist", "usps", str(real_data), limit=500)
    boxed = DigitDomains("mnist", "usps", str(real_data), limit=500, same_box=True)
    x, same = (parts(data).source.x.float() for data in (whole, boxed))
    assert (x - same).abs().mean() < 0.2 * x.mean()
    ink = (parts(boxed).target > 51).flatten(2).any(1)
    assert ink.view(-1, 28, 28).any(2).sum(1).max() <= 22  # of 20, blurred


@pytest.mark.data
def test_the_real_files_hold_the_published_counts(real_data: Path) -> None:
    data = DigitDomains(root=str(real_data), image_size=16)
    data.prepare_data()
    found = parts(data)
    assert (len(found.source.y), len(found.source_val.y)) == (59_000, 1_000)
    assert found.target.shape == (7_291, 1, 16, 16)
    counts = [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
    assert found.target_test.y.bincount().tolist() == counts


@pytest.mark.data
def test_the_nearest_neighbour_on_real_usps_is_as_good_as_published(
    real_data: Path,
) -> None:
    data = DigitDomains("usps", "usps", str(real_data), image_size=16, n_val=0)
    found = parts(data)
    train, test = (x.flatten(1).float() for x in (found.source.x, found.target_test.x))
    nearest = torch.cdist(test, train).argmin(1)
    accuracy = (found.source.y[nearest] == found.target_test.y).float().mean()
    assert accuracy.item() == pytest.approx(0.944, abs=0.001)
