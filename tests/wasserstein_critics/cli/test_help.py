"""Help is short, and its first screen says what most people set."""

import re

import pytest

from lightning_modules.core.public_names import public_class
from tests.support.shipped import METHODS
from wasserstein_critics.cli.app import main
from wasserstein_critics.cli.help import MOST_SET
from wasserstein_critics.commands import SUBCOMMANDS


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        main([*words])
    return capsys.readouterr().out


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_the_first_screen_of_a_subcommand_says_what_most_people_set(
    subcommand: str, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = help_of(capsys, subcommand, "--help").splitlines()[:24]
    assert screen[0].endswith(f"{subcommand} --config NAME_OR_FILE [options]")
    assert MOST_SET in "\n".join(screen)


@pytest.mark.parametrize("method", METHODS, ids=lambda cls: cls.__name__)
def test_the_help_of_a_method_names_classes_of_ours_alone(
    method: type, capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of(capsys, "fit", "--model.help", method.__name__)
    assert len(text) < 12_000
    assert "<class" not in text
    assert "known subclasses" not in text
    lists = re.findall(r"; ([\w, \n]+), or\s+another\s+by its", text)
    for listed in lists:
        names = re.split(r",\s+", listed)
        assert len(names) < 15
        assert all(public_class(name) for name in names), names
    assert ("--model.generator " in text) <= any("MLPGenerator" in n for n in lists)
