"""Reproducible random subsets of rows, independent of their order."""

import torch
from torch import Tensor

# Odd, so that multiplying by them loses nothing modulo 2^64 (splitmix64's constants).
_STEP = -7046029254386353131
_MIX = (-4658895280553007687, -7723592293110705685)


def row_keys(rows: Tensor) -> Tensor:
    """Pseudo-random key of each row, a function of its values alone.

    The key is a hash of the row's bits, so it is independent of the row's position in
    space. Equal rows get different keys, by their count in this call.

    Args:
        rows: Float32, shape (n, d).

    Returns:
        Float64 in [0, 1), shape (n,).

    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> row_keys(x).equal(row_keys(x.flip(0)).flip(0))
    True
    """
    bits = (rows + 0.0).contiguous().view(torch.int32).long()  # -0.0 is 0.0
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (rows.shape[1],), generator=generator)
    sums = (bits * (2 * factors + 1).to(rows.device)).sum(1)  # modulo 2^64
    mixed = sums + _equal_before(sums) * _STEP
    for factor in _MIX:
        mixed = (mixed ^ (mixed >> 31)) * factor
    return (mixed ^ (mixed >> 31)).bitwise_and(2**53 - 1).double() / 2**53


def _equal_before(values: Tensor) -> Tensor:
    """Number of equal values before each, shape (n,)."""
    order = values.argsort(stable=True)
    ordered = values[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    place = torch.arange(len(values), device=values.device)
    start = torch.where(first, place, 0).cummax(0).values if len(values) else place
    return torch.empty_like(place).scatter_(0, order, place - start)


def thin(rows: Tensor, keys: Tensor, size: int | None) -> tuple[Tensor, Tensor]:
    """The rows with the smallest keys, in the keys' order, and their keys.

    The subset depends neither on the order of the rows nor on how they are divided
    among processes, and the subset of a union is that of the union of the subsets of
    its parts: a metric may thin out at every update.

    Args:
        rows: Shape (n, d).
        keys: See `row_keys`, shape (n,).
        size: Rows to keep; all of them if None.
    """
    smallest = keys.argsort(stable=True)[:size]
    return rows[smallest], keys[smallest]
