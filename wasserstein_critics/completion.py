"""Completion in a shell: ``wasserstein-critics completion bash``."""

import argparse
import sys
from collections.abc import Iterator, Sequence

from wasserstein_critics.commands import OTHER_COMMANDS, SUBCOMMANDS
from wasserstein_critics.shipped import program, titles

SHELLS = ("bash", "zsh", "tcsh")
_NAMES = {
    "bash": "_wasserstein_critics_configs",
    "zsh": "_wasserstein_critics_configs",
    "tcsh": "f",
}
_BASH = """\
_wasserstein_critics_configs() {{
  compgen -W "{names}" -- "$1"
  compgen -f -- "$1"
}}
"""
_ZSH = """\
_wasserstein_critics_configs() {{
  _alternative 'configs:shipped config:({names})' 'files:file:_files'
}}
"""


def completion(words: Sequence[str]) -> int:
    """``completion SHELL``: print a script that completes the command's words."""
    parser = argparse.ArgumentParser(
        prog=f"{program()} completion",
        description="Print a script for a shell that completes subcommands, shipped "
        'configs, classes and options, as in: eval "$(wasserstein-critics completion '
        'bash)".',
    )
    parser.add_argument("shell", choices=SHELLS)
    shell = parser.parse_args(words).shell
    try:
        import shtab
    except ImportError:
        sys.stderr.write("error: completion needs shtab: pip install shtab.\n")
        return 2
    names = " ".join(titles())
    preamble = {"bash": _BASH.format(names=names), "zsh": _ZSH.format(names=names)}
    script = shtab.complete(command_parser(), shell, preamble=preamble.get(shell, ""))
    sys.stdout.write(script)
    return 0


def command_parser() -> argparse.ArgumentParser:
    """The words that can be completed, as a parser that parses nothing.

    The real one knows every network of torch, and takes minutes to be listed.
    """
    parser = argparse.ArgumentParser("wasserstein-critics", add_help=False)
    below = parser.add_subparsers()
    for name, text in SUBCOMMANDS.items():
        _add_options(below.add_parser(name, help=text, add_help=False))
    for name, text in OTHER_COMMANDS.items():
        other = below.add_parser(name, help=text, add_help=False)
        if name == "copy":
            _completed(other.add_argument("name"))
        elif name == "completion":
            other.add_argument("shell", choices=SHELLS)
    return parser


def _completed(action: argparse.Action) -> None:
    """Complete an action's value by names of shipped configs, or files."""
    action.complete = _NAMES  # type: ignore[attr-defined]


def _add_options(parser: argparse.ArgumentParser) -> None:
    import shtab

    _completed(parser.add_argument("-c", "--config"))
    file = parser.add_argument("--ckpt_path")
    file.complete = shtab.FILE  # type: ignore[attr-defined]
    for option, choices in options():
        parser.add_argument(option, choices=choices)


def options() -> Iterator[tuple[str, list[str] | None]]:
    """Options and what they may be, where that is a class of this library."""
    from lightning.pytorch import (
        Callback,
        LightningDataModule,
        LightningModule,
        Trainer,
    )

    import callbacks
    import datamodules
    import lightning_modules
    from lightning_modules.core.public_names import accepted_names

    yield "--print_config", None
    yield "--seed_everything", None
    for key, package, base in (
        ("model", lightning_modules, LightningModule),
        ("data", datamodules, LightningDataModule),
    ):
        values = {name: getattr(package, name) for name in package.__all__}
        classes = {
            name: value
            for name, value in values.items()
            if isinstance(value, type) and issubclass(value, base)
        }
        yield f"--{key}", sorted(classes)
        arguments = {a for cls in classes.values() for a in accepted_names(cls)}
        for argument in sorted(arguments):
            yield f"--{key}.{argument}", None
    for flag in sorted(accepted_names(Trainer)):
        yield f"--trainer.{flag}", None
    for name in callbacks.__all__:
        value = getattr(callbacks, name)
        if isinstance(value, type) and issubclass(value, Callback):
            yield f"--callbacks.{name}", None
            for argument in sorted(accepted_names(value)):
                yield f"--callbacks.{name}.{argument}", None
