import pytest
import torch

from lightning_modules import WGANGP
from lightning_modules.core.public_names import accepted_names
from wasserstein_critics.cli.names import known_classes, suggestion


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
