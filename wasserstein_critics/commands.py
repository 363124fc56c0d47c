"""The subcommands, what ``--help`` says of them, and tables; all without torch."""

import argparse
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from wasserstein_critics.shipped import program

SUBCOMMANDS = {
    "fit": "Train a model; --ckpt_path resumes a run.",
    "validate": "Evaluate a checkpoint on the validation set.",
    "test": "Evaluate a checkpoint on the test set.",
    "predict": "Write a checkpoint's samples, labels, rankings or embeddings to files.",
}
"""What a trainer does, each with the sentence that ``--help`` shows."""
OTHER_COMMANDS = {
    "configs": "List the shipped configs, all or those with a word in them.",
    "copy": "Copy a shipped config to a file of your own.",
    "report": "Show a run, or compare several, as an HTML page.",
    "export": "Write the networks of a run into a folder that others can load.",
    "recommend": "Name items for users, known or new, by a run on interactions.",
    "select": "Train settings of adaptation and pick one without target labels.",
    "completion": "Print a script with which a shell completes the command's words.",
}
"""Those without a trainer."""


def overview() -> str:
    """What ``--help`` without a subcommand prints."""
    parser = argparse.ArgumentParser(
        prog=program(),
        usage=f"{program()} {{{','.join([*SUBCOMMANDS, *OTHER_COMMANDS])}}} ...",
        description="Train, evaluate and run Wasserstein-critic models.",
        epilog="A subcommand's own help: `fit --help`, `report --help` and so on. "
        f"Begin with `{program()} fit --config wgan_gp/digits`.",
    )
    for title, texts in (("with a trainer", SUBCOMMANDS), ("others", OTHER_COMMANDS)):
        group = parser.add_argument_group(title)
        for name, text in texts.items():
            group.add_argument(name, help=text)
    return parser.format_help()


def piped(run: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """The exit code of a command whose reader may go away, as ``head`` does.

    Then the command ends without a word, with the code of one that SIGPIPE ended.
    """
    try:
        try:
            return run(words)
        finally:  # what is printed last is sent here, not when Python ends
            if sys.stdout:
                sys.stdout.flush()
    except BrokenPipeError:
        unread = [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]
        if not unread:
            raise  # a pipe between processes of ours
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in unread:  # or Python complains of what is left when it ends
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return 128 + signal.SIGPIPE


def _is_unread(stream: TextIO | None) -> bool:
    """Whether it is a pipe whose reader is gone."""
    if stream is None:
        return False
    poll = select.poll()
    poll.register(stream, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def table_lines(columns: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """A table for the terminal; numbers stand to the right.

    >>> print(*table_lines({"item": ["a", "bc"], "score": [0.5, 12.0]}), sep="", end="")
    item  score
    a     0.5
    bc    12
    """
    shown = [[name, *map(_shown, column)] for name, column in columns.items()]
    widths = [max(map(len, column)) for column in shown]
    for line in zip(*shown, strict=True):
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip() + "\n"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
