"""Sparse rows do what the dense matrix does."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lightning_modules.data_contracts.sparse_rows import SparseRows, join, nonzero_rows
from lightning_modules.networks import MLPExtractor


def matrix(seed: int, n: int = 6, width: int = 9) -> Tensor:
    """A third filled; one row and one column are empty."""
    g = torch.Generator().manual_seed(seed)
    filled = torch.randn(n, width, generator=g)
    filled *= torch.rand(n, width, generator=g) < 0.3
    filled[1], filled[:, 2] = 0, 0
    return filled


@given(st.integers(0, 99), st.lists(st.integers(0, 5), max_size=9))
def test_named_rows_are_those_of_the_matrix(seed: int, rows: list[int]) -> None:
    dense, index = matrix(seed), torch.tensor(rows, dtype=torch.int64)
    found = SparseRows.from_dense(dense)[index]
    assert torch.equal(found.to_dense(), dense[index])
    assert found.shape == dense[index].shape


@pytest.mark.parametrize("part", [slice(2, 5), slice(None), slice(4, 4)])
def test_slices_are_those_of_the_matrix(part: slice) -> None:
    dense = matrix(0)
    assert torch.equal(SparseRows.from_dense(dense)[part].to_dense(), dense[part])


def test_joined_rows_stand_one_below_the_other() -> None:
    one, two = matrix(1), matrix(2)
    joined = join(SparseRows.from_dense(one), SparseRows.from_dense(two)[:3])
    assert isinstance(joined, SparseRows)
    assert torch.equal(joined.to_dense(), torch.cat([one, two[:3]]))


@given(st.integers(0, 99))
def test_a_layer_on_sparse_rows_is_the_layer_on_the_matrix(seed: int) -> None:
    torch.manual_seed(seed)
    dense, layer = matrix(seed), MLPExtractor((9,), (4, 3))
    outputs, gradients = [], []
    for x in (dense, SparseRows.from_dense(dense)):
        layer.zero_grad()
        outputs.append(layer(x))
        outputs[-1].square().sum().backward()
        gradients.append([p.grad.clone() for p in layer.parameters()])  # type: ignore[union-attr]
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)


def test_moving_to_a_device_keeps_the_rows() -> None:
    dense = matrix(3)
    moved = SparseRows.from_dense(dense).to(torch.device("cpu"))
    assert torch.equal(moved.to_dense(), dense)
    meta = SparseRows.from_dense(dense).to("meta")
    assert (meta.device.type, meta.shape) == ("meta", (6, 9))


def test_another_type_is_that_of_the_values() -> None:
    dense = matrix(3)
    double = SparseRows.from_dense(dense).to(torch.float64)
    assert double.values.dtype == torch.float64
    assert double.columns.dtype == torch.int64
    assert torch.equal(double.to_dense(), dense.double())


@pytest.mark.parametrize(
    ("two", "says"),
    [
        (torch.zeros(1, 9), "Both domains must be sparse"),
        (SparseRows.from_dense(torch.zeros(1, 8)), "got 9 and 8"),
    ],
)
def test_rows_of_two_kinds_are_not_joined(two: Tensor | SparseRows, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        join(SparseRows.from_dense(matrix(0)), two)
    with pytest.raises(ValueError, match="don't fit a layer for 5"):
        MLPExtractor((5,), (2,))(SparseRows.from_dense(matrix(0)))


def test_a_row_whose_entries_are_all_zero_is_not_filled() -> None:
    starts, columns = torch.tensor([0, 1, 1, 3]), torch.tensor([0, 0, 1])
    rows = SparseRows(starts, columns, torch.tensor([0.0, -1.0, 1.0]), 2)
    assert nonzero_rows(rows).tolist() == [False, False, True]
    assert nonzero_rows(rows.to_dense()).tolist() == [False, False, True]
