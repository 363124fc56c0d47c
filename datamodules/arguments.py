"""What the arguments of a data module have to fulfil."""


def at_least(key: str, value: int, least: int) -> None:
    """Refuses a number that is too small, naming the key of the command line."""
    if value < least:
        raise ValueError(f"data.{key} is {value}, but has to be at least {least}.")
