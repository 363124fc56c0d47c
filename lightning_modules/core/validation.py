"""The numbers and words that a method may be given; NaN is none of them."""

import math
from collections.abc import Sequence


def not_negative(**values: float) -> None:
    """Refuse a negative or infinite number, with a ValueError."""
    for key, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(
                f"{key} must be a finite number of at least 0, got {value}."
            )


def above_zero(**values: float | None) -> None:
    """Refuse a number that is not above 0, with a ValueError; None is fine."""
    for key, value in values.items():
        if value is not None and not value > 0:
            raise ValueError(f"{key} must be above 0, got {value}.")


def at_least_one(**values: int | None) -> None:
    """Refuse a whole number below 1, with a ValueError; None is fine."""
    for key, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"{key} must be at least 1, got {value}.")


def one_of(key: str, word: str, known: Sequence[str]) -> None:
    """Refuse a word that is not known, with a ValueError."""
    if word not in known:
        raise ValueError(f"{key} must be one of {', '.join(known)}, got '{word}'.")
