from pathlib import Path

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.multiprocessing.spawn import ProcessRaisedException

import lightning_modules
from wasserstein_critics.cli.errors import UsageError, explain
from wasserstein_critics.cli.names import accepted_names
from wasserstein_critics.cli.parser_messages import explain_parse_error

OURS = str(Path(lightning_modules.__file__ or "").with_name("imaginary.py"))
THEIRS = "/usr/lib/python3/dist-packages/somebody/else.py"


def raised_in(file: str, statement: str) -> Exception:
    """The exception that a statement raises if it stands in this file."""
    try:
        exec(compile(statement, file, "exec"), {})
    except Exception as error:
        return error
    raise AssertionError("the statement raises nothing")


@pytest.mark.parametrize("kind", ["ValueError", "FileNotFoundError", "ConnectionError"])
def test_what_our_packages_raise_on_purpose_is_a_mistake(kind: str) -> None:
    assert explain(raised_in(OURS, f"raise {kind}('say so')")) == "say so"
    assert (
        explain(raised_in(OURS, f"raise {kind}('say so') from KeyError()")) == "say so"
    )


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        (THEIRS, "raise ValueError('say so')"),
        (OURS, "int('x')"),
        (OURS, "a, b = 1, 2, 3"),
        (OURS, "open('nowhere')"),
        (OURS, "raise TypeError('say so')"),
        (OURS, "raise RuntimeError('say so')"),
        (OURS, "assert False, 'say so'"),
    ],
)
def test_anything_else_is_a_bug(file: str, statement: str) -> None:
    assert explain(raised_in(file, statement)) is None


def test_an_error_that_was_never_raised_is_a_bug() -> None:
    assert explain(ValueError("say so")) is None


def test_the_reason_behind_a_wrapper_is_told() -> None:
    wrapper = ValueError("many lines of the parser")
    wrapper.__cause__ = raised_in(OURS, "raise ValueError('n_critic is\\n  wrong')")
    assert explain(wrapper) == "n_critic is wrong"
    wrapper.__cause__ = raised_in(OURS, "int('x')")
    assert explain(wrapper) is None


@pytest.mark.parametrize(
    "kind", [UsageError, MisconfigurationException, PermissionError]
)
def test_errors_that_are_always_mistakes(kind: type[Exception]) -> None:
    assert explain(kind("say so")) == "say so"


def forked(file: str, statement: str, ending: str) -> ProcessRaisedException:
    text = (
        "\n\n-- Process 1 terminated with the following error:\n"
        "Traceback (most recent call last):\n"
        f'  File "{THEIRS}", line 1, in wrap\n    fn(i)\n'
        f'  File "{file}", line 7, in setup\n    {statement}\n'
        f"{ending}\n"
    )
    return ProcessRaisedException(text, 1, 2)


@pytest.mark.parametrize(
    ("file", "statement", "ending", "sentence"),
    [
        (OURS, "raise ValueError(", "ValueError: say so", "say so"),
        (OURS, "int(word)", "ValueError: invalid literal", None),
        (OURS, "raise KeyError(", "KeyError: 'x'", None),
        (THEIRS, "raise ValueError(", "ValueError: say so", None),
        (THEIRS, "raise M(", "lightning.x.MisconfigurationException: so", "so"),
    ],
)
def test_the_traceback_of_a_forked_process_is_judged_alike(
    file: str, statement: str, ending: str, sentence: str | None
) -> None:
    assert explain(forked(file, statement, ending)) == sentence


def test_a_forked_process_without_a_traceback_is_a_bug() -> None:
    assert explain(ProcessRaisedException("killed", 0, 1)) is None


def test_words_of_the_parser_that_are_not_known_are_passed_on() -> None:
    error = ValueError('Parser key "model":\n  something\n  new')
    assert explain_parse_error(error, [], []) == 'Parser key "model": something new'


def test_names_passed_on_to_a_base_class_are_accepted() -> None:
    class Base:
        def __init__(self, deep: int = 0) -> None: ...

    class Passing(Base):
        def __init__(self, own: int = 0, **rest: int) -> None: ...

    class Ending(Base):
        def __init__(self, own: int = 0) -> None: ...

    assert accepted_names(Passing) == {"own", "deep"}
    assert accepted_names(Ending) == {"own"}
