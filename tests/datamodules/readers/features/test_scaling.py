"""Normalisations of features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import Normalizer, StandardScaler
from torch import Tensor

from datamodules.adaptation.domain_features import DomainFeatures
from datamodules.readers.features.scaling import NORMALISATIONS, fit_scaling
from lightning_modules.data_contracts.sparse_rows import SparseRows
from tests.support.dense_domains import parts
from tests.support.feature_sets import (
    SIZES,
    arrays,
    counts,
    domains,
    files,
    filled,
    refused,
    write,
)


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
    if how == "rms":
        return np.asarray(other / np.square(1.0 * train[train != 0]).mean() ** 0.5)
    if how == "tfidf":  # of both domains' words
        every = np.vstack([arrays(part)[0] for part in ("source", "target")])
        words = TfidfTransformer().fit(np.log(1 + every))
        size, found = (words.transform(np.log(1 + x)).toarray() for x in (every, other))
        return np.asarray(found / np.square(size[size != 0]).mean() ** 0.5)
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
@pytest.mark.parametrize("ending", [".npz", ".svm"])
def test_columns_that_vary_little_far_from_zero_have_a_score(
    tmp_path: Path, ending: str, how: Any
) -> None:
    data = domains(tmp_path, ending=ending, normalise=how, dense=True)
    for part in ("source", "target"):
        x, y = arrays(part)
        write(tmp_path / f"{part}{ending}", x + 1e9, y)  # float32 tells 64 apart
    x = arrays("target")[0] + 1e9
    expected = by_definition(how, x, x)
    found = parts(data).target
    assert found.dtype == torch.float32
    assert torch.allclose(found, torch.from_numpy(expected).float(), atol=1e-5)


@pytest.mark.parametrize("how", ["none", "rms", "l2", "binary", "log1p", "tfidf"])
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


@pytest.mark.parametrize("unit", [1e-3, 1e3])
@pytest.mark.parametrize("ending", [".npz", ".svm"])
def test_by_default_the_unit_of_features_does_not_matter(
    tmp_path: Path, ending: str, unit: float
) -> None:
    both = [domains(tmp_path / name, ending=ending) for name in ("plain", "scaled")]
    for part in ("source", "target"):
        x, y = arrays(part)
        write(tmp_path / "scaled" / f"{part}{ending}", x * unit, y)
    for data in both:
        data.setup()
    plain, scaled = (data.domains for data in both)
    assert isinstance(plain.target, Tensor if ending == ".npz" else SparseRows)
    for one, other in (
        (plain.source.x, scaled.source.x),
        (plain.target, scaled.target),
    ):
        assert torch.allclose(filled(one), filled(other), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("how", "unit"), [("none", 1e-3), ("none", 1e3), ("l2", 1)])
def test_features_far_from_1_are_told_of(tmp_path: Path, how: str, unit: float) -> None:
    data = domains(tmp_path, normalise=how)
    columns = np.abs(np.random.default_rng(0).normal(size=(40, 1_500))) + 1
    for part in ("source", "target"):
        write(tmp_path / f"{part}.npz", columns * unit, np.arange(40) % 3)
    with pytest.warns(
        UserWarning, match=rf"^data\.normalise: {how} leaves .* leave it out"
    ):
        data.setup()


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


@pytest.mark.parametrize("how", ["zscore", "l1-zscore"])
def test_columns_of_sparse_rows_are_not_standardised(tmp_path: Path, how: str) -> None:
    data = domains(tmp_path, ending=".svm", normalise=how)
    refused(data, rf"^data\.normalise: {how} .*source\.svm are sparse; set data\.dense")


@pytest.mark.parametrize("how", ["log1p", "tfidf"])
@pytest.mark.parametrize("ending", [".npz", ".svm"])
def test_logarithms_of_negative_features_are_refused(
    tmp_path: Path, ending: str, how: str
) -> None:
    data = domains(tmp_path, ending=ending, normalise=how)
    x, y = arrays("target")
    write(tmp_path / f"target{ending}", -x, y)
    refused(data, rf"^data\.normalise: {how} is for counts, .*target\.")


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
    found = parts(DomainFeatures(**paths, dense=True, normalise="none"))
    assert torch.equal(found.target, torch.from_numpy(arrays("target")[0]).float())


def test_a_stray_column_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    data = domains(tmp_path, ending=".svm", dense=True)
    with (tmp_path / "source.svm").open("a") as file:  # 859 TB, more than anybody has
        file.write("3 0:1 2147483646:1\n" * 10**5)
    refused(data, r"^data\.source: .*source\.svm: its 100,024 rows of 2,147,483,647 c")


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data.normalise must be one of none, l1-zsc"):
        fit_scaling("z-score", torch.ones(2, 2))  # type: ignore[arg-type]
