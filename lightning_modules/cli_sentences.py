"""What the parser says about a command line, as one sentence.

jsonargparse's complaint about one wrong key or value is a page long and speaks of
Python's types; the sentence names the key and the nearest one that exists.
"""

import inspect
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from pydoc import locate

import yaml
from lightning.pytorch import Callback, LightningDataModule, LightningModule
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

_NAMED_BY_CONFIGS: tuple[type, ...] = (
    LightningModule,
    LightningDataModule,
    Callback,
    Logger,
    nn.Module,
    Optimizer,
    LRScheduler,
)
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
    text = str(error)
    return (
        _explain_command(text)
        or _explain_config(text, args)
        or _explain_unknown_option(text, known)
        or _explain_unknown_key(text)
        or _explain_missing(text)
        or _explain_class(text)
        or _explain_value(text)
        or " ".join(text.split())
    )


def _explain_command(text: str) -> str | None:
    if match := re.search(r"invalid choice: '([^']*)'", text):
        return f"there is no subcommand '{match[1]}': say {_SUBCOMMANDS}."
    if '"subcommand"' in text or "before subcommand" in text:
        return f"the subcommand comes first ({_SUBCOMMANDS}), as in {_EXAMPLE}."
    if match := re.search(r"argument (\S+): expected one argument", text):
        return f"{match[1].split('/')[-1]} needs a value after it."
    return None


def _explain_config(text: str, args: Iterable[str]) -> str | None:
    if match := re.search(
        r"(?:File does not exist|Path is not a file): '([^']+)'", text
    ):
        return f"there is no config file '{match[1]}': check the path after --config."
    signs = ("Problems parsing config", "Unexpected config", "codec can't decode")
    if not any(sign in text for sign in signs):
        return None
    broken = next(filter(None, map(_yaml_problem, config_files(args))), None)
    return broken or f"a config file can't be read: {' '.join(text.split())}"


def config_files(args: Iterable[str]) -> list[Path]:
    """The files that the command line names after ``--config`` or ``-c``."""
    words, paths = list(args), []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ("--config", "-c"):
            paths.append(Path(following))
        elif word.startswith("--config="):
            paths.append(Path(word.removeprefix("--config=")))
    return paths


def _yaml_problem(path: Path) -> str | None:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        return f"config file '{path}'{line} is not YAML: {error.problem}."
    except (yaml.YAMLError, UnicodeDecodeError):
        return f"config file '{path}' is not a text file in YAML."
    if isinstance(content, dict):
        return None
    return f"config file '{path}' holds no keys: write lines such as 'model: ...'."


def _explain_unknown_option(text: str, known: Collection[str]) -> str | None:
    match = re.search(r"does not accept option '([^']+)'", text)
    match = match or re.search(r"unrecognized arguments: (?:--)?([^\s=]+)", text)
    if match is None:
        return None
    key, root = match[1], match[1].split(".")[0]
    roots = {name.split(".")[0] for name in known}
    if root in roots:
        return f"unknown key {key}{_suggestion(key, known)}"
    return f"unknown key {key}{_suggestion(root, roots)}"


def _explain_unknown_key(text: str) -> str | None:
    match = re.search(r"Option '([^']+)' is not accepted", text)
    if match is None:
        return None
    cls = _class_near(text, match.start())
    path = ".".join([*_keys(text[: match.start()]), match[1]])
    if cls is None:
        return f"unknown key {path}."
    accepted = sorted(accepted_names(cls))
    sentence = f"unknown key {path}: {cls.__name__} has no argument '{match[1]}'"
    return sentence + _suggestion(match[1], accepted)


def _explain_missing(text: str) -> str | None:
    match = re.search(r"the following arguments are required: (.*)", text)
    if match is None:
        return None
    if "fit." in match[1] or "Parser key" not in text:
        return f"missing {_plain_keys(match[1])}: name a config, as in {_EXAMPLE}."
    path = ".".join(_keys(text))
    return f"{path} lacks {match[1]}: set {path}.{match[1].split(',')[0]}."


def _explain_class(text: str) -> str | None:
    match = re.search(r"Expected a dot import path string: (\S+)", text)
    match = match or re.search(
        r"class_path '([^']+)':\s+(?:No module named|module .* has no attribute)", text
    )
    if match is None:
        return None
    name = match[1].split(".")[-1]
    return f"{'.'.join(_keys(text))} names no class that exists: '{match[1]}'" + (
        _suggestion(name, {cls.__name__ for cls in _known_classes()}, listed=False)
    )


def _explain_value(text: str) -> str | None:
    keys = _keys(text)
    expected = re.findall(r"Expected an? ([^\n]+?)(?:\. Got value|\n|$)", text)
    value = re.search(r"Got value: (.*?)(?:\. Got value: Namespace|\n|$)", text)
    value = value or re.search(r"Given value: (.*)", text)
    if not keys or not expected or value is None:
        return None
    # the last entry is the optional None that jsonargparse puts around model and data
    wanted = [_readable(name) for name in expected]
    if len(wanted) > 1 and keys[0] in ("model", "data"):
        wanted = wanted[:-1]
    choices = [name.removeprefix("one of ") for name in wanted if "one of " in name]
    wanted = [name for name in wanted if "one of " not in name]
    if choices:
        wanted.insert(0, "one of " + ", ".join(choices))
    options = " or ".join(dict.fromkeys(wanted))
    return f"{'.'.join(keys)} must be {options}, but is {value[1].strip()!r}."


def _readable(expected: str) -> str:
    names = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "str": "a text",
        "list": "a list",
        "tuple": "a list",
        "NoneType": "null",
    }
    if literal := re.match(r"typing\.Literal\[(.*)\]", expected):
        return "one of " + literal[1]
    if cls := re.match(r"<class '(?:.*\.)?(\w+)'>", expected):
        return names.get(cls[1], cls[1])
    return "a " + expected


def _keys(text: str) -> list[str]:
    return re.findall(r'Parser key "([^"]+)"', text)


def _plain_keys(text: str) -> str:
    return " and ".join(key.split(".")[-1] for key in text.split(", "))


def _class_near(text: str, position: int) -> type | None:
    """The class that an unknown key was given to, as far as the message tells."""
    line = text[position:].split("\n", maxsplit=1)[0]
    after = re.search(r"class_path='([\w.]+)'", line)
    before = re.findall(r"class_path '([\w.]+)'", text[:position])
    if after is None and not before:
        return None
    cls = locate(after[1] if after else before[-1])
    return cls if isinstance(cls, type) else None


def accepted_names(cls: type) -> set[str]:
    """Keyword arguments of a class; where it passes ``**kwargs`` on, its bases' too."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= {
            p.name
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self", "params", "optimizer"}


def _known_classes() -> set[type]:
    found: set[type] = set()
    waiting = list(_NAMED_BY_CONFIGS)
    while waiting:
        cls = waiting.pop()
        found.add(cls)
        below: list[type] = cls.__subclasses__()
        waiting += [sub for sub in below if sub not in found]
    return found


def _suggestion(name: str, choices: Collection[str], *, listed: bool = True) -> str:
    """The end of a sentence: the nearest name that exists, or the few there are."""
    if near := get_close_matches(name, sorted(choices), n=1):
        return f"; did you mean '{near[0]}'?"
    if listed and len(choices) <= 20:
        return f"; it knows {', '.join(sorted(choices))}."
    return "; see --help for the names that exist."
