"""Reproducible random subsets of rows, independent of their order."""

import torch
from torch import Tensor, distributed

# Odd, so that multiplying by them loses nothing modulo 2^64 (splitmix64's constants).
_STEP = -7046029254386353131
_MIX = (-4658895280553007687, -7723592293110705685)


def row_keys(rows: Tensor, seen: list[Tensor] | None = None) -> Tensor:
    """Pseudo-random key of each row, a function of its values alone.

    The key is a hash of the row's bits, so it is independent of the row's position in
    space; a row that differs in its last bit has another key. Equal rows get different
    keys, by their count in all calls with ``seen``; on several processes only the first
    of each process shares its key with those of the others.

    Args:
        rows: Float32, shape (n, d).
        seen: Hashes of the rows of earlier calls, int64, to which these are added; None
            counts in this call alone.

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
    copies = _equal_before(sums) + _equal_among(sums, seen)
    mixed = sums + _numbers_of_copies(copies) * _STEP
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


def _equal_among(values: Tensor, seen: list[Tensor] | None) -> Tensor:
    """Number of equal values in earlier calls, shape (n,), which then hold these too.

    Sorted parts are merged with smaller ones, so that all calls together cost no more
    than one sort of all values, up to a logarithm.
    """
    count = torch.zeros_like(values)
    if seen is None:
        return count
    for part in seen:
        count += torch.searchsorted(part, values, right=True)
        count -= torch.searchsorted(part, values)
    seen.append(values.sort().values)
    while len(seen) > 1 and len(seen[-2]) <= len(seen[-1]):
        seen[-2:] = [torch.cat(seen[-2:]).sort().values]
    return count


def _numbers_of_copies(copies: Tensor) -> Tensor:
    """Number of each copy among those of all processes: 0 for the first of each."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return copies
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    return torch.where(copies > 0, (copies - 1) * ranks + rank + 1, 0)


def thin(rows: Tensor, keys: Tensor, size: int | None) -> tuple[Tensor, Tensor]:
    """The rows with the smallest keys, in the keys' order, and their keys.

    The subset of different rows depends neither on their order nor on how they are
    divided among processes, and the subset of a union is that of the union of the
    subsets of its parts: a metric may thin out at every update.

    Args:
        rows: Shape (n, d).
        keys: See `row_keys`, shape (n,).
        size: Rows to keep; all of them if None.
    """
    smallest = keys.argsort(stable=True)[:size]
    return rows[smallest], keys[smallest]
