"""Argument validation: numbers in range, choices, finite tensors; NaN never is."""

import math
from collections.abc import Collection, Iterable, Sequence

from torch import Tensor
from torch.distributed.tensor import DTensor

MAX_SEED = 2**32 - 1  # NumPy's


class NotFiniteError(ValueError):
    """NaN or infinity where numbers are needed: training has diverged.

    The command line ends with exit code 1 after it, and with 2 after other mistakes.
    """


def is_finite(x: Tensor, *, infinity: bool = False) -> bool:
    """Whether a tensor holds no NaN, and, unless it is allowed, no infinity.

    >>> import torch
    >>> is_finite(torch.tensor([1.0, torch.inf]), infinity=True)
    True
    """
    own = (x.to_local() if isinstance(x, DTensor) else x).detach()
    # One pass without memory: a sum is finite only if all of its terms are.
    if not own.is_floating_point() or math.isfinite(own.sum()):
        return True
    return not bool(own.isnan().any() if infinity else ~own.isfinite().all())


def not_finite(
    tensors: Iterable[tuple[str, Tensor]], weights: Collection[str]
) -> list[str]:
    """Names of tensors with NaN, or with infinity: buffers may hold that, masks do.

    Args:
        tensors: Weights and buffers by name.
        weights: Which of the names are weights.

    >>> import torch
    >>> not_finite([("mask", torch.tensor([torch.inf]))], {"weight"})
    []
    """
    return [n for n, x in tensors if not is_finite(x, infinity=n not in weights)]


def check_finite(**values: float) -> None:
    """Refuse a number that is infinite or NaN, with a ValueError."""
    for key, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{key} must be a finite number, got {value}.")


def check_nonnegative(**values: float) -> None:
    """Refuse a negative or infinite number, with a ValueError."""
    for key, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(
                f"{key} must be a finite number of at least 0, got {value}."
            )


def check_positive(**values: float | None) -> None:
    """Refuse a number that is not above 0, with a ValueError; None is fine."""
    for key, value in values.items():
        if value is not None and not value > 0:
            raise ValueError(f"{key} must be above 0, got {value}.")


def check_at_least(least: int, prefix: str = "", **values: int | None) -> None:
    """Refuse a whole number below ``least``, with a ValueError; None is fine.

    Args:
        least: The smallest number that is accepted.
        prefix: Prefix of the keys on the command line, such as ``data.``.
        **values: Numbers by their keys.

    >>> check_at_least(1, "data.", batch_size=0)
    Traceback (most recent call last):
    ...
    ValueError: data.batch_size must be at least 1, got 0.
    """
    for key, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"{prefix}{key} must be at least {least}, got {value}.")


def check_at_most(most: int, prefix: str = "", **values: int) -> None:
    """Refuse a whole number above ``most``, with a ValueError."""
    for key, value in values.items():
        if value > most:
            raise ValueError(f"{prefix}{key} must be at most {most}, got {value}.")


def check_seed(prefix: str = "", **values: int) -> None:
    """Refuse a seed outside 0 ... 2^32 - 1, with a ValueError."""
    for key, value in values.items():
        if isinstance(value, bool) or not 0 <= value <= MAX_SEED:
            raise ValueError(
                f"{prefix}{key} must be a whole number from 0 to {MAX_SEED}, got "
                f"{value}."
            )


def check_share(**values: float) -> None:
    """Refuse a number outside [0, 1), with a ValueError."""
    for key, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{key} must be in [0, 1), got {value}.")


def check_choice(key: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a string that is not one of the choices, with a ValueError."""
    if value not in choices:
        raise ValueError(f"{key} must be one of {', '.join(choices)}, got '{value}'.")
