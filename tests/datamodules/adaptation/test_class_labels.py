"""Classes out of labels, and rows held out class by class."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st

from datamodules.adaptation.class_labels import hold_out_of_classes
from datamodules.adaptation.domain_features import DomainFeatures
from datamodules.core.tensor_dataset import LabelledRows
from datamodules.metric_learning.labelled_table import LabelledTable
from tests.support.dense_domains import batches, equal, parts
from tests.support.feature_sets import (
    D,
    arrays,
    counts,
    domains,
    filled,
    numbered,
    refused,
    write,
)


@given(
    written=st.lists(st.integers(-(2**53), 2**53), min_size=2, max_size=9, unique=True)
)
def test_any_whole_numbers_are_labels(
    tmp_path_factory: pytest.TempPathFactory, written: list[int]
) -> None:
    assume(-1 not in written or not {0, 1} & {*written} or len(written) < 3)
    root = tmp_path_factory.mktemp("rows")
    y = np.array([*written, *written])
    path = write(root / "few.npz", counts(len(y), D), y)
    data = DomainFeatures(str(path), str(path), normalise="none", n_val=0)
    classes = parts(data).source.y
    assert [data.class_names[k] for k in classes.tolist()] == [str(v) for v in y]
    assert data.class_names == tuple(map(str, sorted(written)))


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


@pytest.mark.parametrize(("n_val", "sentence"), [(24, "24 rows; .* 12"), (23, "class")])
def test_a_validation_part_that_leaves_a_class_empty_is_refused(
    tmp_path: Path, n_val: int, sentence: str
) -> None:
    refused(domains(tmp_path, n_val=n_val), sentence)


@pytest.mark.parametrize("classes", [(-1, 0, 1), (-1, 0, 1, 2), (-1, 1, 2)])
@pytest.mark.parametrize("kind", [DomainFeatures, LabelledTable])
def test_minus_1_beside_numbered_classes_is_asked_about(
    tmp_path: Path, classes: tuple[int, ...], kind: Any
) -> None:
    y = np.tile(classes, 12)
    path = str(write(tmp_path / "own.npz", counts(len(y), D), y))
    says = rf"^data\.\w+: .*own\.npz has the label -1 beside .* {classes[-1]}, where"
    with pytest.raises(ValueError, match=says):
        kind(*[path] * (2 if kind is DomainFeatures else 1)).setup()


@pytest.mark.parametrize("classes", [(-1, 1), (-1, 0), (-1, 2, 3), (-2, -1, 0, 1)])
def test_minus_1_is_a_class_where_it_can_only_be_one(
    tmp_path: Path, classes: tuple[int, ...]
) -> None:
    y = np.tile(classes, 12)
    path = str(write(tmp_path / "own.npz", counts(len(y), D), y))
    for data in (DomainFeatures(path, path), LabelledTable(path)):
        data.setup()
        assert data.class_names == tuple(map(str, classes))
