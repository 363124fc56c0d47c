"""What the arguments of a data module have to fulfil."""

from collections.abc import Sequence


def at_least(key: str, value: int, least: int) -> None:
    """Refuses a number that is too small, naming the key of the command line."""
    if value < least:
        raise ValueError(f"data.{key} is {value}, but has to be at least {least}.")


def one_of(key: str, word: str, known: Sequence[str]) -> None:
    """Refuses a word that is not known, naming the key of the command line."""
    if word not in known:
        raise ValueError(f"data.{key} is '{word}'; use {', '.join(known)}.")
