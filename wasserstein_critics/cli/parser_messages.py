"""What the parser says about a command line, as one sentence.

jsonargparse's complaint about one wrong key or value is a page long and speaks of
Python's types; the sentence names the key and the nearest one that exists.
"""

import re
from collections.abc import Collection, Iterable
from itertools import pairwise
from pydoc import locate

from lightning_modules.core.files import readable
from lightning_modules.core.public_names import accepted_names
from wasserstein_critics.cli.config_messages import (
    explain_config,
    explain_key_beside_class,
    explain_value,
)
from wasserstein_critics.cli.names import (
    BASES,
    UNAVAILABLE,
    known_classes,
    suggestion,
)
from wasserstein_critics.commands import OTHER_COMMANDS, SUBCOMMANDS
from wasserstein_critics.shipped import program

_OF_A_TRAINER = f"{', '.join([*SUBCOMMANDS][:-1])} or {[*SUBCOMMANDS][-1]}"
_COMMANDS = (*SUBCOMMANDS, *OTHER_COMMANDS)
_EXAMPLE = f"{program()} fit --config wgan_gp/digits"
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a string",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
    "NoneType": "null",
}
_EXPECTED = (
    r"(?:Expected an?|Not a valid (subclass) of) ([^\n]+?)(?:, but got|\. Got|\n|$)"
)


def explain_parse_error(
    error: Exception, args: Iterable[str], known: Collection[str]
) -> str:
    """The parser's complaint as one sentence.

    Args:
        error: What jsonargparse raised.
        args: The command line, to find the config file that can't be read.
        known: Names of all options, dots included.
    """
    args, text = list(args), _of_named_classes(str(error))
    return (
        _explain_name(args)
        or _explain_command(text, args)
        or explain_config(text, args)
        or explain_value(args)
        or explain_key_beside_class(".".join(_keys_in(text)), args)
        or _explain_unknown_key(text)
        or _explain_unknown_option(text, known)
        or _explain_missing(text)
        or _explain_class(text)
        or _explain_value(text)
        or " ".join(text.split())
    )


def _explain_name(args: Iterable[str]) -> str | None:
    """What to say of a word that no config can hold: the name of an odd file."""
    odd = next((word for word in args if readable(word) != word), None)
    if odd is None:
        return None
    return (
        f"'{readable(odd)}' on the command line is not UTF-8: rename the file or "
        "folder, or name a link to it."
    )


# The parser's page --------------------------------------------------------------------


def _of_named_classes(text: str) -> str:
    """The complaint about the classes that were named, without the alternatives.

    What may be one of several things is tried as each of them; where a class was found,
    neither its base class nor a list nor null was meant.
    """
    lists = r"^( *)Errors:\n((?:\1  .*(?:\n|$))+)"
    return re.sub(lists, _likeliest, text, flags=re.MULTILINE)


def _likeliest(errors: re.Match[str]) -> str:
    attempts = re.split(rf"^(?={errors[1]}  - )", errors[2], flags=re.MULTILINE)
    inside = r" *- .*(?:Problem with given class_path|Parser key)"
    named = [attempt for attempt in attempts if re.match(inside, attempt)]
    return _of_named_classes(named[0]) if named else errors[0]


def _keys_in(text: str) -> list[str]:
    """The keys from the outermost to the one that is wrong."""
    return re.findall(r'Parser key "([^"]+)"', text)


def _class_near(text: str, position: int) -> type | None:
    """The class that an unknown key was given to, as far as the message tells."""
    line = text[position:].split("\n", maxsplit=1)[0]
    after = re.search(r"class_path='([\w.]+)'", line)
    before = re.findall(r"class_path '([\w.]+)'", text[:position])
    if after is None and not before:
        return None
    cls = locate(after[1] if after else before[-1])
    return cls if isinstance(cls, type) else None


# Keys ---------------------------------------------------------------------------------


def _explain_command(text: str, args: list[str]) -> str | None:
    if match := re.search(r"invalid choice: '([^']*)'", text):
        return f"there is no subcommand '{match[1]}'{suggestion(match[1], _COMMANDS)}"
    if '"subcommand"' in text or "before subcommand" in text:
        return f"the subcommand comes first ({_OF_A_TRAINER}), as in {_EXAMPLE}."
    if match := re.search(r"argument (\S+): expected one argument", text):
        word = _without_value(match[1].split("/")[-1].rstrip("+"), args)
        return f"{word} needs a value after it."
    return None


def _without_value(option: str, args: list[str]) -> str:
    """The word of the command line: the parser names only where its key begins."""
    for word, following in pairwise([*args, "--"]):
        unset = "=" not in word and following.startswith("--")
        if unset and word.startswith((f"{option}.", f"{option}+")):
            return word
    return option


def _explain_unknown_option(text: str, known: Collection[str]) -> str | None:
    match = re.search(r"does not accept option '([^']+)'", text)
    match = match or re.search(r"unrecognized arguments: (?:--)?([^\s=]+)", text)
    if match is None:
        return None
    key, root = match[1], match[1].split(".")[0]
    roots = {name.split(".")[0] for name in known}
    if root in roots:
        return f"unknown key {key}{suggestion(key, known)}"
    return f"unknown key {key}{suggestion(root, roots)}"


def _explain_unknown_key(text: str) -> str | None:
    match = re.search(r"Option '([^']+)' is not accepted", text)
    if match is None and "Parser key" in text:
        match = re.search(r"unrecognized arguments: --([^\s=]+)", text)
    if match is None:
        return None
    cls = _class_near(text, match.start())
    path = ".".join([*_keys_in(text[: match.start()]), match[1]])
    if cls is None:
        return f"unknown key {path}."
    if cls in BASES:
        return f"{path} belongs to no class: name the {cls.__name__} by its class_path."
    name = match[1].split(".")[0]
    sentence = f"unknown key {path}: {cls.__name__} has no argument '{name}'"
    return sentence + suggestion(name, accepted_names(cls))


def _explain_missing(text: str) -> str | None:
    match = re.search(r"the following arguments are required: (.*)", text)
    if match is None:
        return None
    if "fit." in match[1] or "Parser key" not in text:
        names = [name.split(".")[-1] for name in match[1].split(", ")]
        return f"missing {' and '.join(names)}: name a config, as in {_EXAMPLE}."
    path = ".".join(_keys_in(text))
    return f"{path} lacks {match[1]}: set {path}.{match[1].split(',')[0]}."


# Values -------------------------------------------------------------------------------


def _explain_class(text: str) -> str | None:
    match = re.search(r"Expected a dot import path string: (\S+)", text)
    match = match or re.search(
        r"class_path '([^']+)':\s+(?:No module named|module .* has no attribute)", text
    )
    if match is None:
        return None
    path, name = ".".join(_keys_in(text)), match[1].split(".")[-1]
    if missing := UNAVAILABLE.get(name):
        return f"{path}: {name} needs the package {missing}: pip install {missing}."
    names = {cls.__name__ for cls in known_classes()}
    if match[1] in names:
        return f"{path} can't be {name}: name a class of the right kind."
    sentence = f"{path} names no class that exists: '{match[1]}'"
    return sentence + suggestion(name, names, listed=False)


def _explain_value(text: str) -> str | None:
    # what stands before is how the value would be read as a file's name
    text = text.replace("Expected a path but", "")
    keys, expected = _keys_in(text), re.findall(_EXPECTED, text)
    value = re.search(r"Got value: (.*?)(?:\. Got value: Namespace|\n|$)", text)
    value = value or re.search(r"Given value: (.*)", text)
    if not keys or not expected or value is None:
        return None
    kinds = [_readable(name, bool(subclass)) for subclass, name in expected]
    if keys in (["model"], ["data"]):
        # without the null that jsonargparse puts beside them
        kinds = kinds[:-1] or ["a class with its class_path"]
    choices = [name.removeprefix("one of ") for name in kinds if "one of " in name]
    kinds = [name for name in kinds if "one of " not in name]
    if choices:
        kinds.insert(0, "one of " + ", ".join(choices))
    if keys == ["seed_everything"]:
        kinds.remove("true or false")  # Lightning's, see `check_values`
    options = " or ".join(dict.fromkeys(kinds))
    return f"{'.'.join(keys)} must be {options}, but is {value[1].strip()!r}."


def _readable(expected: str, subclass: bool) -> str:
    if subclass:
        return f"a {expected} with its class_path"
    if literal := re.match(r"typing\.Literal\[(.*)\]", expected):
        return "one of " + literal[1]
    if cls := re.match(r"<class '(?:.*\.)?(\w+)'>", expected):
        return _KINDS.get(cls[1], cls[1])
    return ("an " if expected[0] in "aeiou" else "a ") + expected
