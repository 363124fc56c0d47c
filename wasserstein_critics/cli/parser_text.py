"""How a page of the parser's complaints is read."""

import re
from pydoc import locate


def of_named_classes(text: str) -> str:
    """The complaint about the classes that were named, without the alternatives.

    What may be one of several things is tried as each of them; where a class was found,
    neither its base class nor a list nor null was meant.
    """
    lists = r"^( *)Errors:\n((?:\1  .*(?:\n|$))+)"
    return re.sub(lists, _likeliest, text, flags=re.MULTILINE)


def _likeliest(errors: re.Match[str]) -> str:
    tried = re.split(rf"^(?={errors[1]}  - )", errors[2], flags=re.MULTILINE)
    inside = r" *- .*(?:Problem with given class_path|Parser key)"
    named = [one for one in tried if re.match(inside, one)]
    return of_named_classes(named[0]) if named else errors[0]


def keys_in(text: str) -> list[str]:
    """The keys from the outermost to the one that is wrong."""
    return re.findall(r'Parser key "([^"]+)"', text)


def class_near(text: str, position: int) -> type | None:
    """The class that an unknown key was given to, as far as the message tells."""
    line = text[position:].split("\n", maxsplit=1)[0]
    after = re.search(r"class_path='([\w.]+)'", line)
    before = re.findall(r"class_path '([\w.]+)'", text[:position])
    if after is None and not before:
        return None
    cls = locate(after[1] if after else before[-1])
    return cls if isinstance(cls, type) else None
