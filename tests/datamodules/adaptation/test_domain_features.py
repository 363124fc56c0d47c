"""Two domains out of files: classes, parts and scales."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from sklearn.preprocessing import Normalizer, StandardScaler
from torch import Tensor

from datamodules.adaptation.base import TwoDomains
from datamodules.adaptation.class_labels import hold_out_of_classes
from datamodules.adaptation.domain_features import DomainFeatures
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.readers.features.scaling import NORMALISATIONS
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.dense_domains import batches, equal, parts
from tests.support.feature_sets import (
    counts,
    filled,
    labels,
    measured,
    seen_in_training,
    write,
)

D = 5
SIZES = {"source": 24, "target": 20, "source_val": 9, "target_test": 11}
CLASSES = (-1, 3, 12)


def arrays(part: str) -> tuple[np.ndarray, np.ndarray]:
    number = list(SIZES).index(part)
    return counts(SIZES[part], D, number), labels(SIZES[part], CLASSES, number)


def files(root: Path, *names: str, ending: str = ".npz") -> dict[str, Any]:
    """Two to four files, by their keys."""
    return {part: str(write(root / f"{part}{ending}", *arrays(part))) for part in names}


def domains(root: Path, *more: str, ending: str = ".npz", **options: Any) -> Any:
    settings = {"batch_size": 4, "batches_per_epoch": 7, **options}
    paths = files(root, "source", "target", *more, ending=ending)
    return DomainFeatures(**{**paths, **settings})


def numbered(y: np.ndarray) -> list[int]:
    return [CLASSES.index(label) for label in y]


def test_classes_are_the_sorted_labels_of_the_source(tmp_path: Path) -> None:
    data = domains(tmp_path)
    found = parts(data)
    assert found.source.y.tolist() == numbered(arrays("source")[1])
    assert found.target_test.y.tolist() == numbered(arrays("target")[1])
    assert data.class_names == ("-1", "3", "12")
    assert (data.num_classes, data.shape) == (3, (D,))
    assert data.domain_names == ("source", "target")


@given(
    written=st.lists(st.integers(-(2**53), 2**53), min_size=2, max_size=9, unique=True)
)
def test_any_whole_numbers_are_labels(
    tmp_path_factory: pytest.TempPathFactory, written: list[int]
) -> None:
    root = tmp_path_factory.mktemp("rows")
    y = np.array([*written, *written])
    path = write(root / "few.npz", counts(len(y), D), y)
    data = DomainFeatures(str(path), str(path))
    classes = parts(data).source.y
    assert [data.class_names[k] for k in classes.tolist()] == [str(v) for v in y]
    assert data.class_names == tuple(map(str, sorted(written)))


def test_without_more_files_training_rows_serve_for_everything(tmp_path: Path) -> None:
    found = parts(domains(tmp_path))
    assert equal(
        [found.source.x, found.source.y], [found.source_val.x, found.source_val.y]
    )
    assert torch.equal(found.target, found.target_test.x)
    assert torch.equal(found.source.x, torch.from_numpy(arrays("source")[0]).float())
    assert torch.equal(found.target, torch.from_numpy(arrays("target")[0]).float())


def test_validation_and_test_rows_come_from_their_files(tmp_path: Path) -> None:
    found = parts(domains(tmp_path, "source_val", "target_test"))
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


# Scales --------------------------------------------------------------------------


def by_definition(how: str, train: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What others make of rows: numpy and scikit-learn."""
    if how == "binary":
        return (other > 0).astype(float)
    if how == "log1p":
        return np.asarray(np.log(1 + other.astype(float)))
    if how == "l2":
        return np.asarray(Normalizer("l2").transform(other.astype(float)))
    if how == "none":
        return other
    if how == "l1-zscore":
        train, other = (
            x / np.maximum(1, x.sum(1, keepdims=True)) for x in (train, other)
        )
    return np.asarray(StandardScaler().fit(train).transform(other))


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_scales_are_those_of_other_libraries_in_each_domain(
    tmp_path: Path, how: str
) -> None:
    found = parts(domains(tmp_path, "source_val", "target_test", normalise=how))
    rows = {
        "source": ("source", found.source.x),
        "source_val": ("source", found.source_val.x),
        "target": ("target", found.target),
        "target_test": ("target", found.target_test.x),
    }
    for part, (train, x) in rows.items():
        expected = by_definition(how, arrays(train)[0], arrays(part)[0])
        assert x.dtype == torch.float32
        assert torch.allclose(x, torch.from_numpy(expected).float(), atol=1e-5), part


@pytest.mark.parametrize("how", ["zscore", "l1-zscore"])
def test_statistics_are_those_of_the_rows_that_are_trained_on(
    tmp_path: Path, how: str
) -> None:
    found = parts(domains(tmp_path, n_val=9, normalise=how))
    mean, std = found.source.x.mean(0), found.source.x.std(0, correction=0)
    assert torch.allclose(mean, torch.zeros(D), atol=1e-5)
    assert torch.allclose(std, torch.ones(D), atol=1e-5)
    assert not torch.allclose(found.source_val.x.mean(0), torch.zeros(D), atol=0.05)


@pytest.mark.parametrize("ending", [".npz", ".svm"])
def test_columns_that_vary_little_far_from_zero_have_a_score(
    tmp_path: Path, ending: str
) -> None:
    data = domains(tmp_path, ending=ending, normalise="zscore", dense=True)
    for part in ("source", "target"):
        x, y = arrays(part)
        write(tmp_path / f"{part}{ending}", x + 1e9, y)  # float32 tells 64 apart
    expected = StandardScaler().fit_transform(arrays("target")[0])
    found = parts(data).target
    assert found.dtype == torch.float32
    assert torch.allclose(found, torch.from_numpy(expected).float(), atol=1e-5)


def test_statistics_of_few_rows_are_warned_of(tmp_path: Path) -> None:
    data = domains(tmp_path, normalise="zscore")
    write(tmp_path / "target.npz", arrays("target")[0][:1])  # a row to predict
    with pytest.warns(UserWarning, match=r"data\.normalise: zscore .* from 1 row\(s\)"):
        found = parts(data)
    assert (found.target == 0).all()


@pytest.mark.parametrize("how", ["none", "l2", "binary", "log1p"])
def test_sparse_rows_are_scaled_like_dense_ones(tmp_path: Path, how: str) -> None:
    sparse, dense = (
        domains(tmp_path, ending=".svm", n_val=5, normalise=how, dense=dense)
        for dense in (False, True)
    )
    for data in (sparse, dense):
        data.setup()
    assert isinstance(sparse.domains.source.x, SparseRows)
    assert isinstance(dense.domains.source.x, Tensor)
    for part in ("source", "source_val", "target_test"):
        few, all_ = (getattr(data.domains, part).x for data in (sparse, dense))
        assert torch.allclose(filled(few), filled(all_), rtol=1e-6)


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_rows_of_zeros_and_constant_columns_stay_finite(
    tmp_path: Path, how: str
) -> None:
    data = domains(tmp_path, normalise=how)
    x, y = arrays("source")
    x[3], x[:, 2] = 0, 0
    write(tmp_path / "source.npz", x, y)
    found = parts(data)
    assert found.source.x.isfinite().all()
    assert (found.source.x[:, 2] == 0).all()
    if "zscore" not in how:
        assert (found.source.x[3] == 0).all()


def test_a_constant_column_is_centred_whatever_its_value(tmp_path: Path) -> None:
    data = domains(tmp_path, normalise="zscore")
    x, y = arrays("source")
    x = x.astype(float)
    x[:, 2] = np.where(np.arange(len(x)) % 2, 0.3, 0.1 + 0.2)  # rounding varies
    write(tmp_path / "source.npz", x, y)
    assert parts(data).source.x[:, 2].abs().max() < 1e-6


# Rows held out -------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    share=st.floats(0, 1, exclude_max=True),
)
@example(sizes=[1, 1], share=0.5)
@example(sizes=[2, 2, 2], share=0.5)
def test_every_class_loses_its_share(sizes: list[int], share: float) -> None:
    y = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    n, k = len(y), len(sizes)
    n_val = int(share * n)
    rows = LabelledRows(torch.arange(n, dtype=torch.float32)[:, None], y)
    train, val = hold_out_of_classes(rows, n_val)
    if not n_val:
        assert train is rows
        assert val is rows
        return
    assert len(val) == n_val
    both = torch.cat([filled(train.x), filled(val.x)]).flatten()
    assert torch.equal(both.sort().values, torch.arange(n).float())
    assert torch.equal(y[filled(val.x).flatten().long()], val.y)
    lost = val.y.bincount(minlength=k)
    for size, count in zip(sizes, lost.tolist(), strict=True):
        assert abs(count - size * n_val / n) <= 0.5 + k * size / (2 * n) + 1e-9
        assert count < size or size == 1 or 2 * n_val > n


def test_rows_held_out_are_the_same_for_every_seed(tmp_path: Path) -> None:
    first, second = (parts(domains(tmp_path, n_val=6, seed=seed)) for seed in (0, 1))
    assert torch.equal(first.source_val.x, second.source_val.x)
    assert len(first.source_val.x) == 6
    assert first.source_val.y.bincount().tolist() == [2, 2, 2]
    assert not equal(*(batches(domains(tmp_path, seed=seed)) for seed in (0, 1)))


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    runs = [batches(domains(tmp_path, num_workers=w)) for w in (0, 2)]
    assert equal(*runs)


# What is refused -----------------------------------------------------------------


def refused(data: TwoDomains, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as info:
        data.setup()
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("part", "more"), [("source", ()), ("source_val", ("source_val",))]
)
def test_a_source_without_labels_is_refused(
    tmp_path: Path, part: str, more: tuple[str, ...]
) -> None:
    data = domains(tmp_path, *more)
    write(tmp_path / f"{part}.npz", arrays(part)[0])
    refused(data, rf"^data\.{part}: .*{part}\.npz has no labels, which")


@pytest.mark.parametrize("part", ["target", "target_test", "source_val"])
def test_a_label_that_the_source_lacks_is_refused(tmp_path: Path, part: str) -> None:
    data = domains(tmp_path, *{"target_test", "source_val"} & {part})
    x, y = arrays(part)
    for strange in (2, -5, 99):
        write(tmp_path / f"{part}.npz", x, np.where(y == 3, strange, y))
        data = domains_of(data)
        refused(data, rf"^data\.{part}: .* label {strange}, .* -1, 3, 12;")


@pytest.mark.parametrize("part", ["target", "target_test"])
@pytest.mark.parametrize("all_of_them", [False, True])
def test_the_label_minus_1_of_a_target_row_is_unknown(
    tmp_path: Path, part: str, all_of_them: bool
) -> None:
    data = domains(tmp_path, *{"target_test"} & {part})
    x, y = arrays("source")
    write(tmp_path / "source.npz", x, np.where(y == -1, 0, y))  # 0, 3 and 12
    x, y = arrays(part)
    write(tmp_path / f"{part}.npz", x, np.full(len(y), -1) if all_of_them else y)
    expected = [-1] * len(y) if all_of_them else [(-1, 3, 12).index(k) or -1 for k in y]
    assert parts(data).target_test.y.tolist() == expected


def test_a_source_row_is_never_unknown(tmp_path: Path) -> None:
    data = domains(tmp_path, "source_val")
    x, y = arrays("source")
    write(tmp_path / "source.npz", x, np.where(y == -1, 0, y))
    refused(data, r"^data\.source_val: .* label -1, .* 0, 3, 12;")


def test_a_target_of_minus_1_alone_is_refused_where_that_is_a_class(
    tmp_path: Path,
) -> None:
    data = domains(tmp_path)
    write(tmp_path / "target.npz", arrays("target")[0], np.full(20, -1))
    refused(data, r"^data\.target: .*target\.npz has the label -1 only, .* unknown;")


def test_classes_may_have_names(tmp_path: Path) -> None:
    data = domains(tmp_path)
    names = np.array(["owl", "cat", "dog"])
    for part in ("source", "target"):
        x, y = arrays(part)
        write(tmp_path / f"{part}.npz", x, names[numbered(y)])
    found = parts(data)
    assert data.class_names == ("cat", "dog", "owl")
    for part, rows in (("source", found.source), ("target", found.target_test)):
        expected = [names[k] for k in numbered(arrays(part)[1])]
        assert [data.class_names[k] for k in rows.y] == expected
    x, y = arrays("target")
    write(tmp_path / "target.npz", x, np.where(y == 3, "cow", "cat"))
    refused(domains_of(data), r"^data\.target: .* label cow, .* cat, dog, owl;")
    write(tmp_path / "target.npz", x, y)
    refused(domains_of(data), r"^data\.target: .* numbers as labels .* \(cat, dog, ")


def domains_of(data: Any) -> DomainFeatures:
    """The same data module before it has read anything."""
    paths: dict[str, Any] = {part: str(path) for part, path in data.paths.items()}
    return DomainFeatures(**paths)


def test_one_class_is_too_few(tmp_path: Path) -> None:
    data = domains(tmp_path)
    write(tmp_path / "source.npz", arrays("source")[0], np.full(24, 7))
    refused(data, r"^data\.source: .*source\.npz has the label 7 only")


@pytest.mark.parametrize("part", ["target", "source_val", "target_test"])
def test_widths_that_differ_are_refused(tmp_path: Path, part: str) -> None:
    data = domains(tmp_path, *{"target_test", "source_val"} & {part})
    write(tmp_path / f"{part}.npz", counts(SIZES[part], 7), arrays(part)[1])
    refused(data, rf"^data\.{part}: .* has 7 features .* where .*source\.npz has 5")


def test_a_width_other_than_asked_for_is_refused(tmp_path: Path) -> None:
    refused(
        domains(tmp_path, n_features=9),
        r"data\.source: .* should be 9; .* data\.n_feat",
    )


def test_sparse_beside_dense_is_filled_up_on_request(tmp_path: Path) -> None:
    paths = files(tmp_path, "source") | files(tmp_path, "target", ending=".svm")
    refused(DomainFeatures(**paths), r"^data\.target: .*target\.svm and .* data\.dense")
    found = parts(DomainFeatures(**paths, dense=True))
    assert torch.equal(found.target, torch.from_numpy(arrays("target")[0]).float())


def test_a_stray_column_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    data = domains(tmp_path, ending=".svm", dense=True)
    with (tmp_path / "source.svm").open("a") as file:  # 859 TB, more than anybody has
        file.write("3 0:1 2147483646:1\n" * 10**5)
    refused(data, r"^data\.dense: 100024 rows of 2147483647 columns .*source\.svm")


@pytest.mark.parametrize("how", ["zscore", "l1-zscore"])
def test_columns_of_sparse_rows_are_not_standardised(tmp_path: Path, how: str) -> None:
    data = domains(tmp_path, ending=".svm", normalise=how)
    refused(data, rf"^data\.normalise: {how} .*source\.svm are sparse; set data\.dense")


@pytest.mark.parametrize("ending", [".npz", ".svm"])
def test_logarithms_of_negative_features_are_refused(
    tmp_path: Path, ending: str
) -> None:
    data = domains(tmp_path, ending=ending, normalise="log1p")
    x, y = arrays("target")
    write(tmp_path / f"target{ending}", -x, y)
    refused(data, r"^data\.normalise: log1p is for counts, .*target\.")


@pytest.mark.parametrize(("n_val", "sentence"), [(24, "24 rows; .* 12"), (23, "class")])
def test_a_validation_part_that_leaves_a_class_empty_is_refused(
    tmp_path: Path, n_val: int, sentence: str
) -> None:
    refused(domains(tmp_path, n_val=n_val), sentence)


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
