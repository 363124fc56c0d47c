"""Batches as methods take them, from data modules and from loaders of a user's own."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lightning_modules.data_contracts.contracts import (
    InteractionBatch,
    LabelledBatch,
    TwoDomainBatch,
)
from lightning_modules.data_contracts.sparse_rows import SparseRows

_ROWS = (Tensor, SparseRows)


def samples_of(batch: Any) -> Tensor:
    """The samples of a batch ``x`` or ``(x, ...)``.

    Raises:
        ValueError: It is another batch.
    """
    if isinstance(batch, Tensor):
        return batch
    parts = _parts(batch)
    if not parts or not isinstance(parts[0], Tensor):
        raise _refusal("x or (x, ...), with samples x (n, ...)", batch)
    return parts[0]


def labelled_of(batch: Any) -> LabelledBatch[Any]:
    """Samples and labels of a batch ``(x, y)``.

    Raises:
        ValueError: It is another batch.
    """
    wanted = "(x, y), with samples x (n, ...) and labels y (n,)"
    return LabelledBatch(*_checked(_parts(batch), 2, _ROWS, wanted, batch))


def domains_of(batch: Any) -> TwoDomainBatch:
    """Both domains of a batch ``(source, labels, target)``.

    Or of a dict, as `CombinedLoader` gives it: ``source`` with ``(x, y)`` and
    ``target`` with ``x`` or ``(x, ...)``.

    Raises:
        ValueError: It is another batch.
    """
    if isinstance(batch, Mapping) and batch.keys() == {"source", "target"}:
        source, target = _parts(batch["source"]), batch["target"]
        parts = [*source, target if isinstance(target, _ROWS) else samples_of(target)]
    else:
        parts = _parts(batch)
    wanted = "(source, labels, target) or {'source': (x, y), 'target': x}"
    return TwoDomainBatch(*_checked(parts, 3, _ROWS, wanted, batch))


def interactions_of(batch: Any) -> InteractionBatch:
    """Users and items of a batch ``(users, items)``.

    Raises:
        ValueError: It is another batch.
    """
    wanted = "(users, items), int64 (n,) each"
    return InteractionBatch(*_checked(_parts(batch), 2, (Tensor,), wanted, batch))


def _parts(batch: Any) -> list[Any]:
    return list(batch) if isinstance(batch, tuple | list) else []


def _checked(
    parts: list[Any], n: int, kinds: tuple[type, ...], wanted: str, batch: Any
) -> list[Any]:
    """The same parts of a batch, if they are n of these types."""
    if len(parts) != n or not all(isinstance(part, kinds) for part in parts):
        raise _refusal(wanted, batch)
    return parts


def _refusal(wanted: str, batch: Any) -> ValueError:
    kind = type(batch).__name__
    if isinstance(batch, Mapping):
        kind = f"a dict of {', '.join(map(str, batch))}"
    elif isinstance(batch, tuple | list):
        kind = f"({', '.join(type(part).__name__ for part in batch)})"
    return ValueError(
        f"A batch of this method is {wanted}, but is {kind}: change the data loader."
    )
