from pathlib import Path

import pytest
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.multiprocessing.spawn import ProcessRaisedException

import lightning_modules
from wasserstein_critics.cli.errors import (
    UsageError,
    exit_code,
    explain,
    usage_error,
)

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


def test_a_usage_error_is_found_behind_its_wrappers() -> None:
    wrapper, mistake = ValueError("wrapped"), UsageError("say so")
    wrapper.__cause__ = mistake
    assert usage_error(wrapper) is mistake
    assert usage_error(mistake) is mistake
    assert usage_error(ValueError("say so")) is None


def test_causes_that_lead_in_a_circle_end() -> None:
    mistake, wrapper = UsageError("say so"), ValueError("wrapped")
    wrapper.__cause__, mistake.__cause__ = mistake, wrapper
    assert explain(mistake) == explain(wrapper) == "say so"
    assert exit_code(mistake) == exit_code(wrapper) == 2
