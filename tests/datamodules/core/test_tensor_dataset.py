"""A batch is the rows that were asked for, of every column."""

import pytest
import torch

from datamodules.core.tensor_dataset import (
    LabelledRows,
    Mirror,
    PairedDataset,
    TensorDataset,
    numbers,
)
from lightning_modules.data_contracts.contracts import (
    LabelledBatch,
    NumberedBatch,
    TwoDomainBatch,
)
from lightning_modules.data_contracts.sparse_rows import SparseRows

X = torch.arange(24, dtype=torch.uint8).view(4, 1, 2, 3)
ROWS = torch.tensor([3, 0, 3])


def test_a_batch_is_of_the_given_kind_and_has_the_rows_of_each_column() -> None:
    batch = TensorDataset(NumberedBatch, torch.arange(4), X)[ROWS, None]
    assert isinstance(batch, NumberedBatch)
    assert torch.equal(batch.rows, ROWS)
    assert isinstance(batch.x, torch.Tensor)
    assert torch.equal(batch.x, X[ROWS])


def test_sparse_rows_are_rows_like_others() -> None:
    dense = torch.eye(4)
    sparse = LabelledRows(SparseRows.from_dense(dense), torch.arange(4))
    x, y = sparse[ROWS, None]
    assert isinstance(x, SparseRows)
    assert torch.equal(x.to_dense(), dense[ROWS])
    assert torch.equal(y, ROWS)
    assert len(sparse.part(slice(1, 3))) == 2


def test_only_the_samples_are_transformed() -> None:
    mirrored = torch.tensor([True, False, False])
    batch = LabelledRows(X, torch.arange(4))[ROWS, Mirror(mirrored)]
    assert isinstance(batch, LabelledBatch)
    assert isinstance(batch.x, torch.Tensor)
    assert torch.equal(batch.x[0], X[3].flip(-1))
    assert torch.equal(batch.x[1:], X[ROWS[1:]])
    assert torch.equal(batch.y, ROWS)


def test_each_domain_has_rows_of_its_own() -> None:
    source, target = LabelledRows(X, torch.arange(4)), X.float() + 100
    batch = PairedDataset(source, target)[(ROWS, None), (ROWS.flip(0), None)]
    assert isinstance(batch, TwoDomainBatch)
    assert torch.equal(batch.labels, ROWS)
    assert isinstance(batch.target, torch.Tensor)
    assert torch.equal(batch.target, target[ROWS.flip(0)])


def test_numbers_are_tensors() -> None:
    assert numbers(torch.tensor([7, 8, 9]))[torch.tensor([2, 0]), None].tolist() == [
        9,
        7,
    ]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"columns of \[4, 3\] rows"):
        LabelledRows(X, torch.arange(3))
