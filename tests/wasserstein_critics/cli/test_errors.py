import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.multiprocessing.spawn import ProcessRaisedException

import lightning_modules
from callbacks import PointTable, SampleWriter
from callbacks.plotting.images import image_grid, save_png
from callbacks.predictions.numbered_rows import NumberedRows, build_directory
from callbacks.predictions.prediction_table import data_frame, write_table
from callbacks.runs.checkpoint import BesideTarget
from lightning_modules import MLPCritic
from lightning_modules.core.files import write_whole
from lightning_modules.core.recipe import save_network, save_weights
from tests.support.trainers import QUIET_TRAINER
from wasserstein_critics.cli.errors import (
    UsageError,
    disk_problem,
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


def test_too_little_memory_is_told_with_what_to_make_smaller() -> None:
    texts = ("can't allocate memory: you tried to allocate 800 bytes", "CUDA out of")
    for error in (*(RuntimeError(f"{text} memory") for text in texts), MemoryError()):
        assert "make data.batch_size" in str(explain(error))
    assert "(800 bytes at once)" in str(explain(RuntimeError(texts[0])))
    assert explain(RuntimeError("a bug")) is None


@pytest.mark.parametrize("name", ["UsageError", "CommError", "AuthenticationError"])
def test_what_wandb_refuses_is_a_mistake(name: str) -> None:
    text = str(explain(vars(wandb.errors)[name]("No API key configured.")))
    assert text.startswith("W&B refused: No API key configured; log in with `wandb")
    assert "WANDB_MODE=offline" in text


# Writers ------------------------------------------------------------------------------


def logged(path: Path) -> None:
    """Values that a logger of Lightning writes."""
    logger = CSVLogger(path.parent, "", "")
    for step in range(99):
        logger.log_metrics({"train/loss": 0.123}, step)
    logger.save()


def joined(path: Path) -> None:
    """Rows of a process, which are kept beside their place until all are there."""
    rows = NumberedRows()
    rows.add(torch.arange(500), torch.zeros(500, 3))
    rows.join(Trainer(**QUIET_TRAINER), path)


def predicted(writer: Any) -> Callable[[Path], object]:
    """A directory of predictions."""
    rows = torch.zeros(500, 3)
    return lambda path: build_directory(
        path, lambda folder: writer.fill(folder, torch.arange(500), rows)
    )


def checkpointed(path: Path) -> None:
    """A checkpoint, as the trainer writes it."""
    BesideTarget().save_checkpoint({"state_dict": {"x": torch.zeros(999)}}, path)


CRITIC = MLPCritic((2,), hidden=(99,))
WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: write_whole(path, "x" * 999),
    "tensors": lambda path: write_whole(
        path, lambda file: torch.save(torch.zeros(999), file)
    ),
    "checkpoint": checkpointed,
    "network": lambda path: save_network(CRITIC, path),
    "weights": lambda path: save_weights(CRITIC, path),
    "metrics": logged,
    "plot": lambda path: save_png(image_grid(torch.rand(1, 3, 64, 64)), path),
    "samples": predicted(SampleWriter()),
    "points": predicted(PointTable()),
    "points of NumPy": predicted(PointTable(format="npz")),
    "ranks": joined,
    "csv": lambda path: write_table(
        data_frame({"x": range(999)}), path.with_suffix(".csv")
    ),
    "parquet": lambda path: write_table(
        data_frame({"x": torch.rand(999).numpy()}), path.with_suffix(".parquet")
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_tells_of_a_disk_that_takes_no_more(
    writer: str, tmp_path: Path, limited_files: Callable[[int], None]
) -> None:
    path = tmp_path / "target"
    limited_files(600)
    with pytest.raises(OSError) as failed:  # noqa: PT011  of which number is asserted
        WRITERS[writer](path)
    limited_files(resource.RLIM_INFINITY)
    assert disk_problem(failed.value)
    assert not path.exists()
    assert not [*tmp_path.glob("*.part")]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_every_error_of_a_disk_is_a_sentence(code: int) -> None:
    text = str(explain(OSError(code, os.strerror(code), "runs/x")))
    assert text.endswith("at 'runs/x'.")
