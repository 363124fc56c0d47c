"""Office-Caltech10 features: made-up ones of the real size, and the real ones."""

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.adaptation.office_caltech import N_TRAIN, OfficeCaltech
from tests.support.dense_domains import batches, equal, parts
from tests.support.feature_sets import (
    counts,
    labels,
    measured,
    seen_in_training,
    write,
)

SIZES = {"amazon": 958, "caltech10": 1_123, "dslr": 157, "webcam": 295}
TEN = tuple(range(1, 11))


def rows(domain: str, width: int = 800) -> tuple[np.ndarray, np.ndarray]:
    seed = list(SIZES).index(domain)
    x = counts(SIZES[domain], width, seed, share=0.05)
    return x.astype(np.uint8), labels(SIZES[domain], TEN, seed).astype(np.uint8)


def write_domain(root: Path, domain: str, form: str = "surf/{}.mat") -> Path:
    x, y = rows(domain)
    return write(root / form.format(domain), x, y[:, None])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for domain in ("dslr", "webcam"):
        write_domain(tmp_path, domain)
    return tmp_path


def office(root: Path, **options: Any) -> OfficeCaltech:
    settings: dict[str, Any] = {"source": "dslr", "target": "webcam", **options}
    return OfficeCaltech(root=str(root), **settings)


def test_all_rows_of_both_domains_are_trained_on_and_the_targets_tested(
    root: Path,
) -> None:
    data = office(root, normalise="none")
    found = parts(data)
    assert torch.equal(found.source.x, torch.from_numpy(rows("dslr")[0]).float())
    assert found.source.y.tolist() == (rows("dslr")[1].astype(int) - 1).tolist()
    assert torch.equal(found.source_val.x, found.source.x)
    assert torch.equal(found.target, torch.from_numpy(rows("webcam")[0]).float())
    assert torch.equal(found.target_test.x, found.target)
    assert found.target_test.y.tolist() == (rows("webcam")[1].astype(int) - 1).tolist()
    assert data.test_rows.tolist() == list(range(SIZES["webcam"]))


def test_what_a_method_needs_is_known_before_anything_is_read() -> None:
    data = OfficeCaltech()
    assert (data.shape, data.num_classes) == ((800,), 10)
    assert OfficeCaltech(features="decaf").shape == (4_096,)
    assert data.class_names[::3] == ("backpack", "headphones", "monitor", "projector")
    assert data.domain_names == ("amazon", "caltech10")


def test_histograms_become_shares_and_then_scores(root: Path) -> None:
    x = rows("dslr")[0].astype(float)
    x /= x.sum(1, keepdims=True)
    expected = (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)
    found = parts(office(root)).source.x
    assert torch.allclose(found, torch.from_numpy(expected).float(), atol=1e-4)


def test_validation_rows_are_held_out_class_by_class(root: Path) -> None:
    found = parts(office(root, n_val=30))
    assert found.source_val.y.bincount().tolist() == [3] * 10
    assert len(found.source.x) == SIZES["dslr"] - 30
    assert len(found.target) == len(found.target_test.x) == SIZES["webcam"]


def test_a_split_keeps_the_published_numbers_of_rows(root: Path) -> None:
    data = office(root, protocol="split", normalise="none")
    found = parts(data)
    assert [len(found.source.x), len(found.source_val.x)] == [100, 57]
    assert [len(found.target), len(found.target_test.x)] == [200, 95]
    x, y = rows("webcam")
    whole = torch.from_numpy(x).float()
    assert torch.equal(found.target_test.x, whole[data.test_rows])
    assert found.target_test.y.tolist() == (y[data.test_rows.numpy()] - 1).tolist()
    others = torch.ones(len(x), dtype=torch.bool)
    others[data.test_rows] = False
    assert torch.equal(found.target, whole[others])
    assert N_TRAIN == {"amazon": 800, "caltech10": 1_000, "dslr": 100, "webcam": 200}


def test_a_domain_is_split_alike_as_source_and_as_target(root: Path) -> None:
    there = parts(office(root, protocol="split", normalise="none"))
    back = parts(
        office(root, source="webcam", target="dslr", protocol="split", normalise="none")
    )
    assert torch.equal(there.target, back.source.x)
    assert torch.equal(there.source_val.x, back.target_test.x)


def test_only_the_seed_of_the_split_changes_the_split(root: Path) -> None:
    first, same, other = (
        office(root, protocol="split", **seeds)
        for seeds in ({}, {"seed": 1}, {"split_seed": 1})
    )
    assert torch.equal(parts(first).target_test.x, parts(same).target_test.x)
    assert not equal(batches(first), batches(same))
    parts(other)
    assert not torch.equal(first.test_rows, other.test_rows)


@pytest.mark.parametrize("protocol", ["transductive", "split"])
def test_a_table_of_predictions_names_the_rows_of_the_file(
    root: Path, protocol: str
) -> None:
    data = office(root, protocol=protocol, normalise="none")
    found = parts(data).target_test.x
    numbers = data.row_columns["row"]
    assert torch.equal(torch.from_numpy(rows("webcam")[0][numbers]).float(), found)


@pytest.mark.parametrize("protocol", ["transductive", "split"])
def test_labels_of_the_target_reach_no_training_batch(
    root: Path, protocol: str
) -> None:
    before = office(root, protocol=protocol)
    first, labels_before = seen_in_training(before), measured(before)
    x, y = rows("webcam")
    write(root / "surf/webcam.mat", x, y[::-1, None])
    after = office(root, protocol=protocol)
    assert equal(first, seen_in_training(after))
    assert not torch.equal(labels_before, measured(after))


@pytest.mark.parametrize(
    "form", ["surf/{}_SURF_L10.mat", "{}_SURF_L10.mat", "{}.mat", "surf/{}.MAT"]
)
def test_files_are_found_by_their_common_names(tmp_path: Path, form: str) -> None:
    for domain, spelled in (("dslr", "dslr"), ("caltech10", "Caltech10")):
        written = write_domain(tmp_path, domain, "new.mat")
        named = tmp_path / form.format(spelled)
        named.parent.mkdir(exist_ok=True)
        written.rename(named)
    data = office(tmp_path, target="caltech10")
    assert len(parts(data).target) == SIZES["caltech10"]


@pytest.mark.parametrize("name", ["{}_decaf.mat", "decaf/{}.mat"])
def test_decaf_features_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    written = {}
    for domain, spelled in (("dslr", "dslr"), ("caltech10", "caltech")):
        written[domain] = rows(domain, 4_096)
        path = tmp_path / name.format(spelled)
        write(path, *written[domain], names=("feas", "labels"))
    found = parts(office(tmp_path, target="caltech10", features="decaf"))
    expected = torch.from_numpy(written["caltech10"][0]).float()
    assert torch.equal(found.target, expected)


def test_a_missing_domain_is_named_with_where_it_comes_from(root: Path) -> None:
    for features, hint in (("surf", "redhat12345/Office"), ("decaf", "4096")):
        data = office(root, target="amazon", features=features)
        with pytest.raises(FileNotFoundError, match=rf"^data\.root: .*{hint}"):
            data.prepare_data()


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (rows("webcam", 700)[0], rows("webcam")[1], "700 features .* should be 800"),
        (rows("webcam")[0], rows("webcam")[1] - 1, "has the label 0, .* 1, 2, .*, 10;"),
        (rows("webcam")[0], rows("webcam")[1][:-1], "has 294 labels for 295 rows"),
    ],
)
def test_other_files_of_that_name_are_refused(
    root: Path, x: np.ndarray, y: np.ndarray, sentence: str
) -> None:
    write(root / "surf/webcam.mat", x, y)
    with pytest.raises(ValueError, match=rf"^data\.root: .*webcam\.mat.*{sentence}"):
        office(root).setup()


def test_a_source_without_a_class_is_refused(root: Path) -> None:
    x, y = rows("dslr")
    write(root / "surf/dslr.mat", x[y != 9], y[y != 9])
    with pytest.raises(ValueError, match=r"dslr\.mat has no training row .*'mug'"):
        office(root).setup()


def test_a_split_of_too_few_rows_is_refused(root: Path) -> None:
    x, y = rows("webcam")
    write(root / "surf/webcam.mat", x[:200], y[:200])
    with pytest.raises(ValueError, match=r"^data\.protocol: split .* 200 rows .* 200;"):
        office(root, protocol="split").setup()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"target": "dslr"}, r"data\.source and data\.target are both dslr"),
        ({"source": "caltech"}, r"data\.source must be one of amazon"),
        ({"target": "caltech"}, r"data\.target must be one of amazon"),
        ({"features": "sift"}, r"data\.features must be one of surf, decaf"),
        ({"protocol": "full"}, r"data\.protocol must be one of transductive"),
        ({"normalise": "l1"}, r"data\.normalise must be one of none"),
        ({"protocol": "split", "n_val": 5}, r"data\.n_val is 5, but in data\.protocol"),
        ({"n_val": -1}, r"data\.n_val must be .* got -1"),
    ],
)
def test_arguments_out_of_range_are_refused_by_their_key(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        office(Path("nowhere"), **options)


@pytest.mark.data
def test_the_nearest_neighbour_on_real_features_is_as_good_as_known(
    real_data: Path,
) -> None:
    pairs = permutations(SIZES, 2)
    known = (26.0, 25.5, 29.8, 23.7, 25.5, 25.8, 28.5, 26.3, 63.4, 23.0, 19.9, 59.2)
    for (source, target), accuracy in zip(pairs, known, strict=True):
        data = office(real_data / "office_caltech10", source=source, target=target)
        found = parts(data)
        nearest = torch.cdist(found.target_test.x, found.source.x).argmin(1)
        hits = found.source.y[nearest] == found.target_test.y
        assert 100 * hits.float().mean().item() == pytest.approx(accuracy, abs=0.06)
