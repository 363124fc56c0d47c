"""Every subcommand is named, and ends well when nobody reads what it prints."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from wasserstein_critics.__main__ import main
from wasserstein_critics.commands import OTHER_COMMANDS, SUBCOMMANDS, piped

COMMANDS = [
    ["configs"],
    ["configs", "nothing-like-it"],
    ["copy", "wgan_gp/digits", "my.yaml"],
    ["fit", "--config", "wgan_gp/digits", "--print_config"],
    ["--help"],
    *([name, "--help"] for name in OTHER_COMMANDS),
]


def test_help_names_all_subcommands_each_with_what_it_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    usage, *lines = capsys.readouterr().out.splitlines()
    text = " ".join(" ".join(lines).split())
    for name, said in {**SUBCOMMANDS, **OTHER_COMMANDS}.items():
        assert name in usage
        assert f"{name} {said}" in text


@contextmanager
def nobody_reads() -> Iterator[None]:
    """Standard streams whose reader is gone, as after ``2>&1 | head``."""
    reader, writer = os.pipe()
    os.close(reader)
    with (
        pytest.MonkeyPatch.context() as patch,
        os.fdopen(os.dup(writer), "w") as out,  # closed without a complaint: nothing
        os.fdopen(writer, "w", 1) as err,  # is left that they would fail to send
    ):
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        yield


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_is_gone_ends_a_command_quietly(words: list[str]) -> None:
    with nobody_reads():
        code = main(words)
    assert code == 128 + signal.SIGPIPE


def test_a_pipe_between_processes_that_breaks_is_told() -> None:
    def breaks(_: object) -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        piped(breaks, [])
