"""Arrays of files as features and labels, or a sentence on what is wrong with them."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from lightning_modules.sparse import Rows, SparseRows


def as_rows(name: str, array: Any) -> Rows:
    """A matrix (n, d) of numbers as float32, sparse if it was.

    Args:
        name: What the sentence begins with if there is something wrong.
        array: Of NumPy, or sparse of SciPy.

    Raises:
        ValueError: It is no matrix of finite numbers, or has no rows or no columns.

    >>> as_rows("few", np.array([[1, 2]], dtype=np.uint8))
    tensor([[1., 2.]])
    """
    array = array if sparse.issparse(array) else np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} is no matrix of numbers with a row for each sample, but "
            f"{array.dtype} of shape {array.shape}; replace it."
        )
    if 0 in array.shape:
        raise ValueError(f"{name} is empty (shape {array.shape}); replace it.")
    rows = _sparse_rows(array) if sparse.issparse(array) else _float32(array)
    values = rows.values if isinstance(rows, SparseRows) else rows
    finite = values.isfinite()
    if not finite.all():
        raise ValueError(
            f"{name} has a NaN or infinite feature in row {_first_row(rows, ~finite)} "
            f"of {len(rows)}; correct it or leave out that row."
        )
    return rows


def _float32(array: np.ndarray) -> Tensor:
    with np.errstate(over="ignore"):  # too large for float32 is infinite
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _sparse_rows(array: Any) -> SparseRows:
    compressed = sparse.csr_array(array)
    compressed.sum_duplicates()
    starts, columns = (
        torch.from_numpy(part.astype(np.int64))
        for part in (compressed.indptr, compressed.indices)
    )
    return SparseRows(starts, columns, _float32(compressed.data), array.shape[1])


def _first_row(rows: Rows, bad: Tensor) -> int:
    """The first row with a bad value, counted from 1."""
    first = int(bad.flatten().byte().argmax())
    if isinstance(rows, SparseRows):
        return int(torch.searchsorted(rows.starts, first, right=True))
    return first // rows.shape[1] + 1


def as_labels(name: str, array: Any, n: int) -> NDArray[np.int64]:
    """Labels as they are written, int64 (n,), out of (n,), (n, 1) or (1, n).

    Raises:
        ValueError: They are not whole numbers, or not n.

    >>> as_labels("few", np.array([[1.0], [-1.0]]), 2)
    array([ 1, -1])
    """
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {array.dtype}; labels are whole numbers.")
    if array.size != n or max(array.shape, default=n) != n:
        counted = array.size if max(array.shape, default=1) == array.size else 0
        found = f"{counted} labels" if counted else f"labels of shape {array.shape}"
        raise ValueError(f"{name} has {found} for {n} rows; one for each is needed.")
    with np.errstate(invalid="ignore"):  # NaN is caught as being no whole number
        whole: NDArray[np.int64] = array.astype(np.int64).ravel()
    if (whole != array.ravel()).any():
        raise ValueError(f"{name} has labels that are not whole numbers; number them.")
    return whole
