"""Two domains out of files: classes, parts and scales."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser

from datamodules.adaptation.base import TwoDomains
from datamodules.adaptation.domain_features import DomainFeatures
from tests.support.dense_domains import batches, equal, parts
from tests.support.feature_sets import (
    SIZES,
    D,
    arrays,
    domains,
    files,
    measured,
    numbered,
    seen_in_training,
    write,
)


def test_classes_are_the_sorted_labels_of_the_source(tmp_path: Path) -> None:
    data = domains(tmp_path)
    found = parts(data)
    assert found.source.y.tolist() == numbered(arrays("source")[1])
    assert found.target_test.y.tolist() == numbered(arrays("target")[1])
    assert data.class_names == ("-1", "3", "12")
    assert (data.num_classes, data.shape) == (3, (D,))
    assert data.domain_names == ("source", "target")


def test_without_more_files_training_rows_serve_for_everything(tmp_path: Path) -> None:
    found = parts(domains(tmp_path, normalise="none"))
    assert equal(
        [found.source.x, found.source.y], [found.source_val.x, found.source_val.y]
    )
    assert torch.equal(found.target, found.target_test.x)
    assert torch.equal(found.source.x, torch.from_numpy(arrays("source")[0]).float())
    assert torch.equal(found.target, torch.from_numpy(arrays("target")[0]).float())


def test_by_default_a_fifth_of_the_source_is_held_out(tmp_path: Path) -> None:
    found = parts(domains(tmp_path, n_val=None))
    assert len(found.source_val.y) == SIZES["source"] // 5
    assert len(found.source.y) + len(found.source_val.y) == SIZES["source"]
    few = parts(domains(tmp_path, n_val=None, batch_size=SIZES["source"] - 1))
    assert len(few.source_val.y) == 1


def test_validation_and_test_rows_come_from_their_files(tmp_path: Path) -> None:
    found = parts(domains(tmp_path, "source_val", "target_test", normalise="none"))
    for rows, part in (
        (found.source, "source"),
        (found.source_val, "source_val"),
        (found.target_test, "target_test"),
    ):
        x, y = arrays(part)
        assert torch.equal(rows.x, torch.from_numpy(x).float())
        assert rows.y.tolist() == numbered(y)


@pytest.mark.parametrize("more", [(), ("target_test",)])
@pytest.mark.parametrize("ending", [".npz", ".svmlight"])
@pytest.mark.parametrize("how", ["none", "binary"])
def test_labels_of_the_target_reach_no_training_batch(
    tmp_path: Path, more: tuple[str, ...], ending: str, how: str
) -> None:
    runs, tests = [], []
    for number, order in enumerate((slice(None), slice(None, None, -1))):
        data = domains(
            tmp_path / str(number), *more, ending=ending, n_val=6, normalise=how
        )
        for part in ("target", "target_test"):
            x, y = arrays(part)
            write(tmp_path / str(number) / f"{part}{ending}", x, y[order])
        runs.append(seen_in_training(data))
        tests.append(measured(data))
    assert equal(*runs)
    assert not torch.equal(*tests)


def test_labels_of_the_target_are_not_even_read_where_others_are_tested(
    tmp_path: Path,
) -> None:
    data = domains(tmp_path, "target_test")
    x, y = arrays("target")
    write(tmp_path / "target.npz", x, y + 100)
    assert parts(data).target_test.y.tolist() == numbered(arrays("target_test")[1])


def test_a_target_without_labels_is_unknown(tmp_path: Path) -> None:
    data = domains(tmp_path)
    write(tmp_path / "target.npz", arrays("target")[0])
    assert parts(data).target_test.y.tolist() == [-1] * SIZES["target"]
    assert parts(data).target_test.y.dtype == torch.int64


def test_labels_may_be_in_files_of_their_own(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", 3 * numbered_array("source"))
    np.save(tmp_path / "z.npy", 3 * numbered_array("target"))
    own = {"source": str(tmp_path / "y.npy"), "target": str(tmp_path / "z.npy")}
    data = domains(tmp_path, labels=own)
    found = parts(data)
    assert data.class_names == ("0", "3", "6")
    assert found.source.y.tolist() == numbered(arrays("source")[1])
    assert found.target_test.y.tolist() == numbered(arrays("target")[1])


def numbered_array(part: str) -> np.ndarray:
    return np.array(numbered(arrays(part)[1]))


@pytest.mark.parametrize("how", ["zscore", "l1-zscore"])
def test_statistics_are_those_of_the_rows_that_are_trained_on(
    tmp_path: Path, how: str
) -> None:
    found = parts(domains(tmp_path, n_val=9, normalise=how))
    mean, std = found.source.x.mean(0), found.source.x.std(0, correction=0)
    assert torch.allclose(mean, torch.zeros(D), atol=1e-5)
    assert torch.allclose(std, torch.ones(D), atol=1e-5)
    assert not torch.allclose(found.source_val.x.mean(0), torch.zeros(D), atol=0.05)


def test_statistics_of_few_rows_are_warned_of(tmp_path: Path) -> None:
    data = domains(tmp_path, normalise="zscore")
    write(tmp_path / "target.npz", arrays("target")[0][:1])  # a row to predict
    with pytest.warns(UserWarning, match=r"data\.normalise: zscore .* from 1 row\(s\)"):
        found = parts(data)
    assert (found.target == 0).all()


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    runs = [batches(domains(tmp_path, num_workers=w)) for w in (0, 2)]
    assert equal(*runs)


def test_a_domain_smaller_than_a_batch_is_refused(tmp_path: Path) -> None:
    data = domains(tmp_path, batch_size=21)
    data.setup("fit")
    with pytest.raises(ValueError, match=r"^data\.batch_size: 21 .*'target' has 20"):
        data.train_dataloader()


def test_a_domain_without_training_rows_asks_for_rows(tmp_path: Path) -> None:
    data = domains(tmp_path)
    data.setup("fit")
    data.domains = replace(data.domains, target=data.domains.target[:0])
    with pytest.raises(ValueError, match=r"'target' has 0 to train on; add some"):
        data.train_dataloader()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"normalise": "l1"}, r"data\.normalise must be one of none, l1-zscore"),
        ({"n_val": -1}, r"data\.n_val must be .* got -1"),
        ({"n_features": 0}, r"data\.n_features must be .* got 0"),
        ({"n_val": 2, "source_val": "a.npz"}, r"data\.n_val is 2, but .*source_val"),
        ({"labels": {"train": "y.npy"}}, r"data\.labels must be one of source"),
    ],
)
def test_arguments_out_of_range_are_refused_by_their_key(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        DomainFeatures("a.npz", "b.npz", **options)


def test_missing_files_are_named_by_their_key(tmp_path: Path) -> None:
    data = domains(tmp_path, target_test=str(tmp_path / "gone.npz"))
    with pytest.raises(FileNotFoundError, match=r"^data\.target_test: .*gone\.npz"):
        data.prepare_data()
    data = domains(tmp_path, labels={"target": str(tmp_path / "gone.npy")})
    with pytest.raises(FileNotFoundError, match=r"^data\.labels\.target: .*gone\.npy"):
        data.prepare_data()


def test_files_of_one_name_in_two_folders_are_source_and_target(
    tmp_path: Path,
) -> None:
    paths = [write(tmp_path / s / "rows.npz", *arrays("source")) for s in ("a", "b")]
    data = DomainFeatures(str(paths[0]), str(paths[1]))
    assert data.domain_names == ("source", "target")
    apart = DomainFeatures("a/amazon.mat", "b/webcam.mat")
    assert apart.domain_names == ("amazon", "webcam")


@pytest.mark.parametrize("zero_based", ["auto", True, False])
def test_the_command_line_understands_all_arguments(
    tmp_path: Path, zero_based: Any
) -> None:
    parser = ArgumentParser()
    parser.add_subclass_arguments(TwoDomains, "data")
    paths = files(tmp_path, "source", "target", ending=".svm")
    arguments = {
        **paths,
        "labels": {"target": "y.npy"},
        "zero_based": zero_based,
        "n_features": D,
    }
    words = {"class_path": "datamodules.adaptation.domain_features.DomainFeatures"}
    parsed = parser.parse_object({"data": {**words, "init_args": arguments}})
    data = parser.instantiate_classes(parsed).data
    assert data.zero_based == zero_based
    assert data.label_paths == {"target": Path("y.npy")}
