"""Help is short and says first what most set; names that are accepted or meant."""

import re

import pytest
import torch

from lightning_modules import WGANGP
from lightning_modules.core.public_names import accepted_names, public_class
from tests.support.shipped import METHODS
from wasserstein_critics.cli.app import main
from wasserstein_critics.cli.help import MOST_SET
from wasserstein_critics.cli.names import known_classes, suggestion
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


def test_names_passed_on_to_a_base_class_are_accepted() -> None:
    class Base:
        def __init__(self, deep: int = 0) -> None: ...

    class Passing(Base):
        def __init__(self, own: int = 0, **rest: int) -> None: ...

    class Ending(Base):
        def __init__(self, own: int = 0) -> None: ...

    assert accepted_names(Passing) == {"own", "deep"}
    assert accepted_names(Ending) == {"own"}


def test_what_the_parser_passes_itself_is_no_argument_of_a_config() -> None:
    assert "params" not in accepted_names(torch.optim.SGD)
    assert "lr" in accepted_names(torch.optim.SGD)
    assert "optimizer" not in accepted_names(torch.optim.lr_scheduler.LinearLR)


def test_known_classes_are_those_below_the_bases() -> None:
    assert {WGANGP, torch.optim.SGD, torch.nn.Linear} <= known_classes()


@pytest.mark.parametrize(
    ("name", "choices", "end"),
    [
        ("lrr", {"lr", "betas"}, "; did you mean 'lr'?"),
        ("x", {"lr", "betas"}, "; choose from betas, lr."),
        ("x", set(), "; it takes none."),
        (
            "x",
            {f"key_{i}" for i in range(21)},
            "; see --help for the names that exist.",
        ),
    ],
)
def test_the_nearest_name_is_suggested_or_the_few_that_exist(
    name: str, choices: set[str], end: str
) -> None:
    assert suggestion(name, choices) == end
