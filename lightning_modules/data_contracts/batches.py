"""Batches as methods take them, from data modules and from loaders of a user's own.

Types and shapes are checked in every batch, values only where that waits for no device.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn

from lightning_modules.data_contracts.contracts import (
    InteractionBatch,
    LabelledBatch,
    TwoDomainBatch,
)
from lightning_modules.data_contracts.sparse_rows import Rows, SparseRows

_ROWS = (Tensor, SparseRows)
_SAMPLES = "x or (x, ...), with samples x (n, ...)"
_OF_TYPES = re.compile("type|not implemented for")  # in sentences of torch


def rows_of(batch: Any) -> Rows:
    """The samples of a batch ``x`` or ``(x, ...)``, of two axes or more.

    Raises:
        ValueError: It is another batch.
    """
    return _rows(_with_samples(batch)[:1], _SAMPLES, batch)


def samples_of(batch: Any) -> Tensor:
    """The samples of a batch ``x`` or ``(x, ...)``, numbers with a fraction.

    Raises:
        ValueError: It is another batch, or x has whole numbers.
    """
    parts = _with_samples(batch)[:1]
    x: Tensor = _checked(parts, 1, (Tensor,), _SAMPLES, batch)[0]
    if not x.is_floating_point():
        raise ValueError(
            f"The samples of a batch are {_named(x.dtype)}: convert them to float32 in "
            "the data loader, images to [-1, 1]."
        )
    return x


def labelled_of(batch: Any, *, soft: bool = False) -> LabelledBatch[Any]:
    """Samples and labels of a batch ``(x, y)``; whole numbers as int64.

    Args:
        batch: What a loader gives.
        soft: Whether labels may be shares of the classes, floating point (n, k).

    Raises:
        ValueError: It is another batch.
    """
    wanted = "(x, y), with samples x (n, ...) and labels y (n,)"
    x, y = _checked(_parts(batch), 2, _ROWS, wanted, batch)
    if soft and y.ndim == 2 and y.shape[1] > 1 and y.is_floating_point():
        return LabelledBatch(x, y)
    return LabelledBatch(x, _labels(y, len(x), wanted))


def domains_of(batch: Any) -> TwoDomainBatch:
    """Both domains of a batch ``(source, labels, target)``.

    Or of a dict, as `CombinedLoader` gives it: ``source`` with ``(x, y)`` and
    ``target`` with ``x`` or ``(x, ...)``.

    Raises:
        ValueError: It is another batch.
    """
    if isinstance(batch, Mapping) and batch.keys() == {"source", "target"}:
        parts = [*_parts(batch["source"]), *_with_samples(batch["target"])[:1]]
    else:
        parts = _parts(batch)
    wanted = "(source, labels, target) or {'source': (x, y), 'target': x}"
    source, y, target = _checked(parts, 3, _ROWS, wanted, batch)
    kinds = [_values(rows).is_floating_point() for rows in (source, target)]
    if kinds[0] != kinds[1]:
        both = [_named(_values(rows).dtype) for rows in (source, target)]
        raise ValueError(
            f"The source samples of a batch are {both[0]}, those of the target "
            f"{both[1]}: bring both to one scale in the data loader."
        )
    return TwoDomainBatch(source, _labels(y, len(source), wanted), target)


def interactions_of(batch: Any) -> InteractionBatch:
    """Users and items of a batch ``(users, items)``.

    Raises:
        ValueError: It is another batch.
    """
    wanted = "(users, items), int64 (n,) each"
    return InteractionBatch(*_checked(_parts(batch), 2, (Tensor,), wanted, batch))


def numbers_of(batch: Any, of: str) -> list[int]:
    """The numbers of what to predict: a batch int64 (n,), alone or in a list.

    Args:
        batch: What a loader gives; a list of ints will do.
        of: What is counted.

    Raises:
        ValueError: It is another batch.
    """
    parts = _parts(batch)
    rows = parts[0] if len(parts) == 1 and not isinstance(parts[0], int) else batch
    try:
        numbers = torch.as_tensor(rows)
    except (RuntimeError, TypeError, ValueError):
        raise _refusal(f"{of} int64 (n,)", batch) from None
    if (
        numbers.is_floating_point()
        or not numbers.ndim
        or numbers.shape[1:].numel() != 1
    ):
        raise _refusal(f"{of} int64 (n,)", batch)
    listed: list[int] = numbers.flatten().tolist()
    return listed


def numbered_of(batch: Any) -> Rows:
    """The samples of a batch ``(numbers, x)``.

    Raises:
        ValueError: It is another batch.
    """
    wanted = "(numbers, x), with row numbers (n,) and samples x (n, ...)"
    return _rows(_parts(batch)[1:], wanted, batch)


def check_classes(y: Tensor, n: int, *, look: bool, ignored: int = -100) -> None:
    """Refuse labels other than 0 ... n - 1.

    Args:
        y: Labels of `labelled_of` or `domains_of`.
        n: Number of classes.
        look: Whether values are looked at on another device than the CPU too, which
            waits for it.
        ignored: A label that is none of these, but has no loss, or no place in a
            metric.

    Raises:
        ValueError: With what to set.

    >>> check_classes(torch.tensor([0, 3]), 3, look=True)
    Traceback (most recent call last):
    ...
    ValueError: A batch has the label 3, but model.n_classes is 3, for labels 0 ... 2...
    """
    wanted = f"model.n_classes is {n}, for labels 0 ... {n - 1}"
    remedy = "set it, or number the classes from 0 in the data loader."
    if y.is_floating_point():
        if y.shape[1:] != (n,):
            raise ValueError(
                f"The labels of a batch are {_named(y.dtype)} {tuple(y.shape)}, but "
                f"model.n_classes is {n}, for whole numbers 0 ... {n - 1}: make them "
                "int64 (n,) in the data loader."
            )
    elif (look or y.device.type == "cpu") and len(y):
        low, high = y.aminmax()
        if low >= 0 and high < n:
            return
        is_odd = ((y < 0) | (y >= n)) & (y != ignored)
        for label in y[is_odd][:1].tolist():
            raise ValueError(f"A batch has the label {label}, but {wanted}: {remedy}")


@contextmanager
def explained(batch: Any, module: nn.Module) -> Iterator[None]:
    """Context in which an error of torch about types is explained by the samples.

    A network may convert samples itself, so nothing is refused that works.

    Raises:
        ValueError: The samples, of two axes or more, are of another type than the
            weights.
    """
    try:
        yield
    except (RuntimeError, TypeError) as error:
        found: list[Tensor] = []
        apply_to_collection(batch, _ROWS, lambda rows: found.append(_values(rows)))
        weights = next((w.dtype for w in module.parameters()), None)
        odd = [x.dtype for x in found if x.ndim > 1 and x.dtype != weights]
        if weights is None or not odd or not _OF_TYPES.search(str(error)):
            raise
        remedy = "call .float() on the model before the run"
        if weights == torch.float32:
            remedy = "convert them in the data loader, images to [-1, 1]"
        raise ValueError(
            f"The samples of a batch are {_named(odd[0])}, but the weights of "
            f"{type(module).__name__} are {_named(weights)}: {remedy}."
        ) from error


def _parts(batch: Any) -> list[Any]:
    return list(batch) if isinstance(batch, tuple | list) else []


def _with_samples(batch: Any) -> list[Any]:
    """The parts of a batch of which samples come first, or are all."""
    return [batch] if isinstance(batch, _ROWS) else _parts(batch)


def _rows(parts: list[Any], wanted: str, batch: Any) -> Rows:
    """The only one of these parts of a batch, if it is samples of two axes or more."""
    x: Rows = _checked(parts, 1, _ROWS, wanted, batch)[0]
    if len(x.shape) < 2:
        raise _refusal(wanted, batch)
    return x


def _labels(y: Tensor, n: int, wanted: str) -> Tensor:
    """Labels (n,), whole numbers as int64."""
    if y.shape != (n,):
        raise ValueError(
            f"A batch of this method is {wanted}, but has labels of shape "
            f"{tuple(y.shape)} for {n} samples: change the data loader."
        )
    return y if y.is_floating_point() else y.long()


def _values(rows: Rows) -> Tensor:
    """Samples as a tensor of two axes or more, only for its type."""
    return rows.values[:, None] if isinstance(rows, SparseRows) else rows


def _kind(part: Any) -> str:
    if isinstance(part, Tensor):
        return f"{_named(part.dtype)} ({', '.join(map(str, part.shape))})"
    return type(part).__name__


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _checked(
    parts: list[Any], n: int, kinds: tuple[type, ...], wanted: str, batch: Any
) -> list[Any]:
    """The same parts of a batch, if they are n of these types."""
    if len(parts) != n or not all(isinstance(part, kinds) for part in parts):
        raise _refusal(wanted, batch)
    return parts


def _refusal(wanted: str, batch: Any) -> ValueError:
    kind = _kind(batch)
    if isinstance(batch, Mapping):
        kind = f"a dict of {', '.join(map(str, batch))}"
    elif isinstance(batch, tuple | list):
        kind = f"({', '.join(map(_kind, batch))})"
    return ValueError(
        f"A batch of this method is {wanted}, but is {kind}: change the data loader."
    )
