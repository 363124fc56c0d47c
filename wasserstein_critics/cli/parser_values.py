"""The sentence about a value of the wrong kind."""

import re

from wasserstein_critics.cli.parser_text import keys_in

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
    "NoneType": "null",
}
_EXPECTED = (
    r"(?:Expected an?|Not a valid (subclass) of) ([^\n]+?)(?:, but got|\. Got|\n|$)"
)


def explain_value(text: str) -> str | None:
    """What a key must be, and what it is."""
    # what stands before is how the value would be read as a file's name
    text = text.replace("Expected a path but", "")
    keys, expected = keys_in(text), re.findall(_EXPECTED, text)
    value = re.search(r"Got value: (.*?)(?:\. Got value: Namespace|\n|$)", text)
    value = value or re.search(r"Given value: (.*)", text)
    if not keys or not expected or value is None:
        return None
    wanted = [_readable(name, bool(subclass)) for subclass, name in expected]
    if keys in (["model"], ["data"]):
        # without the null that jsonargparse puts beside them
        wanted = wanted[:-1] or ["a class with its class_path"]
    choices = [name.removeprefix("one of ") for name in wanted if "one of " in name]
    wanted = [name for name in wanted if "one of " not in name]
    if choices:
        wanted.insert(0, "one of " + ", ".join(choices))
    options = " or ".join(dict.fromkeys(wanted))
    return f"{'.'.join(keys)} must be {options}, but is {value[1].strip()!r}."


def _readable(expected: str, subclass: bool) -> str:
    if subclass:
        return f"a {expected} with its class_path"
    if literal := re.match(r"typing\.Literal\[(.*)\]", expected):
        return "one of " + literal[1]
    if cls := re.match(r"<class '(?:.*\.)?(\w+)'>", expected):
        return _KINDS.get(cls[1], cls[1])
    return ("an " if expected[0] in "aeiou" else "a ") + expected
