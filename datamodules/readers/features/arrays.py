"""Validation of arrays as features and labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows

Labels = NDArray[np.int64] | NDArray[np.str_]
"""Labels (n,) as they are written: whole numbers or names."""
Written = tuple[int, ...] | tuple[str, ...]
"""What is written for each class, sorted."""

LEAST_STEPS = 1_000
"""Steps of float32 that a column has to go through, or its values are merged."""
NOISE = 1e-12
"""Relative spread of a column that is constant but for the rounding of float64."""

Found = tuple[list[str], dict[str, Any]]
"""Names of all that is in a file, and the arrays that may be features or labels."""


class OtherFormError(ValueError):
    """A sound file whose form isn't read; it says what follows the file's name."""


def as_rows(
    name: str,
    array: Any,
    dtype: torch.dtype = torch.float32,
    columns: Sequence[str] = (),
) -> Rows:
    """A matrix (n, d) of numbers as float32 or float64, sparse if it was.

    Args:
        name: What the sentence begins with if there is something wrong.
        array: Of NumPy, or sparse of SciPy.
        dtype: float32 or float64; what is too large for float32 is infinite in both.
        columns: Names of the columns; they are numbered from 1 by default.

    Raises:
        ValueError: It is not a matrix of finite numbers, has no rows or no columns, or
            one whose values float32 can't tell apart.

    >>> as_rows("few", np.array([[1, 2]], dtype=np.uint8))
    tensor([[1., 2.]])
    """
    array = array if sparse.issparse(array) else np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} is not a matrix of numbers with a row for each sample, but "
            f"{array.dtype} of shape {array.shape}; replace it."
        )
    if 0 in array.shape:
        raise ValueError(f"{name} is empty (shape {array.shape}); replace it.")
    rows = (
        _sparse_rows(array, dtype) if sparse.issparse(array) else _floats(array, dtype)
    )
    values = rows.values if isinstance(rows, SparseRows) else rows
    finite = values.float().isfinite()
    if not finite.all():
        raise ValueError(
            f"{name} has a NaN or infinite feature in row {_first_row(rows, ~finite)} "
            f"of {len(rows)}; correct it or leave out that row."
        )
    if dtype == torch.float32 and not sparse.issparse(array):
        _check_resolution(name, array, columns)
    return rows


def _check_resolution(name: str, array: np.ndarray, columns: Sequence[str]) -> None:
    """Refuses a column that varies less than float32 can tell apart at its size."""
    if np.can_cast(array.dtype, np.float32):
        return
    low, high = (x.astype(np.float64) for x in (array.min(0), array.max(0)))
    size = np.maximum(np.abs(low), np.abs(high))
    steps = (high - low) / np.spacing(size.astype(np.float32))
    merged = (steps < LEAST_STEPS) & (high - low > NOISE * size)
    for column in np.flatnonzero(merged).tolist():
        values = array[:, column]
        if (values.astype(np.float32) != values).any():
            which = f"'{columns[column]}'" if columns else column + 1
            raise ValueError(
                f"{name} has a column ({which}, from {low[column]:.17g} to "
                f"{high[column]:.17g}) whose values float32 can't tell apart; set "
                "data.normalise to zscore, or subtract what they have in common."
            )


def _floats(array: np.ndarray, dtype: torch.dtype) -> Tensor:
    kind = np.float64 if dtype == torch.float64 else np.float32
    with np.errstate(over="ignore"):  # too large for float32 is infinite
        return torch.from_numpy(np.ascontiguousarray(array, dtype=kind))


def _sparse_rows(array: Any, dtype: torch.dtype) -> SparseRows:
    compressed = sparse.csr_array(array)
    compressed.sum_duplicates()
    starts, columns = (
        torch.from_numpy(part.astype(np.int64))
        for part in (compressed.indptr, compressed.indices)
    )
    return SparseRows(starts, columns, _floats(compressed.data, dtype), array.shape[1])


def _first_row(rows: Rows, bad: Tensor) -> int:
    """The first row with a bad value, counted from 1."""
    first = int(bad.flatten().byte().argmax())
    if isinstance(rows, SparseRows):
        return int(torch.searchsorted(rows.starts, first, right=True))
    return first // rows.shape[1] + 1


def as_labels(name: str, array: Any, n: int) -> Labels:
    """Labels as they are written, (n,), out of (n,), (n, 1) or (1, n).

    Numbers become int64; of names the spaces around them are left out, which fill up
    the rows of MATLAB.

    Raises:
        ValueError: They are neither whole numbers nor names, or not n.

    >>> as_labels("few", np.array([[1.0], [-1.0]]), 2)
    array([ 1, -1])
    >>> as_labels("few", np.array([b"cat  ", b"horse"]), 2)
    array(['cat', 'horse'], dtype='<U5')
    """
    array = np.asarray(array)
    if array.dtype.kind not in "biufUS":
        raise ValueError(
            f"{name} holds {array.dtype}, and labels are whole numbers or names; save "
            "them as integers or strings of fixed width."
        )
    if array.size != n or max(array.shape, default=n) != n:
        counted = array.size if max(array.shape, default=1) == array.size else 0
        given = f"{counted} labels" if counted else f"labels of shape {array.shape}"
        raise ValueError(f"{name} has {given} for {n} rows; one for each is needed.")
    if array.dtype.kind in "US":
        return _names(name, array.ravel())
    with np.errstate(invalid="ignore"):  # NaN is caught as being no whole number
        whole: NDArray[np.int64] = array.astype(np.int64).ravel()
    if (whole != array.ravel()).any():
        raise ValueError(f"{name} has labels that are not whole numbers; number them.")
    return whole


def _names(name: str, array: np.ndarray) -> NDArray[np.str_]:
    try:
        decoded = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} has labels that are no UTF-8; write them so, or number them."
        ) from error
    return np.char.strip(decoded)


def check_unknown(name: str, written: Sequence[Any]) -> None:
    """Refuses classes of which -1 looks like the label of unknown rows.

    Args:
        name: What the sentence begins with.
        written: What is written for each class, sorted.

    Raises:
        ValueError: -1 stands beside 0 ... k - 1 or 1 ... k, with k at least 2.

    >>> check_unknown("two classes", (-1, 1)), check_unknown("gaps", (-1, 3, 8))
    (None, None)
    """
    rest = list(written[1:])
    if len(rest) < 2 or written[0] != -1 or rest[0] not in (0, 1):
        return
    if rest == list(range(rest[0], rest[0] + len(rest))):
        raise ValueError(
            f"{name} has the label -1 beside {rest[0]} ... {rest[-1]}, where it may "
            "mean an unknown class; leave out its rows, or write another number if it "
            "is a class."
        )
