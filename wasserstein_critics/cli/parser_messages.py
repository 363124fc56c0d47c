"""What the parser says about a command line, as one sentence.

jsonargparse's complaint about one wrong key or value is a page long and speaks of
Python's types; the sentence names the key and the nearest one that exists.
"""

import re
from collections.abc import Collection, Iterable
from itertools import pairwise

from wasserstein_critics.cli.config_files import (
    explain_config,
    explain_key_beside_class,
)
from wasserstein_critics.cli.names import (
    BASES,
    accepted_names,
    known_classes,
    suggestion,
)
from wasserstein_critics.cli.parser_text import class_near, keys_in, of_named_classes
from wasserstein_critics.cli.parser_values import explain_value

_SUBCOMMANDS = "fit, validate, test or predict"
_EXAMPLE = "python train.py fit --config configs/wgan_gp/digits.yaml"


def explain_parse_error(
    error: Exception, args: Iterable[str], known: Collection[str]
) -> str:
    """The parser's complaint as one sentence.

    Args:
        error: What jsonargparse raised.
        args: The command line, to find the config file that can't be read.
        known: Names of all options, dots included.
    """
    args, text = list(args), of_named_classes(str(error))
    return (
        _explain_command(text, args)
        or explain_config(text, args)
        or explain_key_beside_class(text, args)
        or _explain_unknown_key(text)
        or _explain_unknown_option(text, known)
        or _explain_missing(text)
        or _explain_class(text)
        or explain_value(text)
        or " ".join(text.split())
    )


def _explain_command(text: str, args: list[str]) -> str | None:
    if match := re.search(r"invalid choice: '([^']*)'", text):
        return f"there is no subcommand '{match[1]}': say {_SUBCOMMANDS}."
    if '"subcommand"' in text or "before subcommand" in text:
        return f"the subcommand comes first ({_SUBCOMMANDS}), as in {_EXAMPLE}."
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
    cls = class_near(text, match.start())
    path = ".".join([*keys_in(text[: match.start()]), match[1]])
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
        return f"missing {_plain_keys(match[1])}: name a config, as in {_EXAMPLE}."
    path = ".".join(keys_in(text))
    return f"{path} lacks {match[1]}: set {path}.{match[1].split(',')[0]}."


def _explain_class(text: str) -> str | None:
    match = re.search(r"Expected a dot import path string: (\S+)", text)
    match = match or re.search(
        r"class_path '([^']+)':\s+(?:No module named|module .* has no attribute)", text
    )
    if match is None:
        return None
    path, name = ".".join(keys_in(text)), match[1].split(".")[-1]
    names = {cls.__name__ for cls in known_classes()}
    if match[1] in names:
        return f"{path} can't be {name}: name a class of the right kind."
    sentence = f"{path} names no class that exists: '{match[1]}'"
    return sentence + suggestion(name, names, listed=False)


def _plain_keys(text: str) -> str:
    return " and ".join(key.split(".")[-1] for key in text.split(", "))
