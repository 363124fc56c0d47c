"""Which exceptions are a user's mistake, told in one sentence, and which are bugs."""

import dis
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import lightning.pytorch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule
from torch.multiprocessing.spawn import (
    ProcessExitedException,
    ProcessRaisedException,
)

from lightning_modules.core.distributed import RankError
from lightning_modules.core.memory import is_memory_error
from lightning_modules.core.public_names import accepted_names
from lightning_modules.core.validation import NotFiniteError

_REPOSITORY = Path(__file__).parents[2]
_OURS = tuple(
    str(_REPOSITORY / name)
    for name in ("lightning_modules", "datamodules", "callbacks")
)
_NETWORKS = "lightning_modules.networks."
# Lightning's checks of the trainer's flags raise plain ValueErrors.
_FLAG_CHECKS = tuple(
    str(Path(lightning.pytorch.__file__).parent / part)
    for part in ("trainer", "loops/fit_loop.py")
)
_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "a file would be larger than allowed",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk does not answer",
}
_FAILURES = (NotFiniteError, RankError)
_WANDB = ("wandb.errors", "wandb.errors.errors", "wandb.sdk.wandb_settings")
_CALLBACKS = str(Path(lightning.pytorch.__file__).parent / "callbacks")


class UsageError(ValueError):
    """A user's mistake, in one sentence that names the key and the remedy."""


class Stopped(Exception):  # noqa: N818  it is no error
    """A signal ended the command; the text says how to go on."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.code = 128 + number


def explain(error: BaseException) -> str | None:
    """The sentence to show instead of a traceback; None for a bug.

    A mistake of the user is a `UsageError`, a configuration that Lightning refuses, a
    file or directory that may not be opened, and a ``ValueError`` or
    ``OSError`` that one of our packages or a check of Lightning's trainer
    raises on purpose, or what a callback of Lightning refuses, or a disk that takes
    nothing more. The same errors from elsewhere, or from a statement that was not meant
    to raise, are bugs. Too little memory is told in a sentence, too.
    """
    if isinstance(error, ProcessRaisedException):
        return _explain_process(str(error))
    if isinstance(error, ProcessExitedException):
        return _explain_end(error)
    for cause in _causes(error):
        if _is_mistake(cause):
            return _owner(cause) + " ".join(str(cause).split())
    problem = disk_problem(error) or _memory_problem(error) or _wandb_problem(error)
    return f"{problem}." if problem else None


def told(error: Exception) -> int:
    """The exit code after an error, told in one sentence; a bug is raised again."""
    sentence = explain(error)
    if sentence is None or os.environ.get("WASSERSTEIN_TRACEBACK"):
        raise error
    sys.stderr.write(f"error: {sentence}\n")
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """1 after a divergence or the loss of a rank, 2 after a user's mistake."""
    if isinstance(error, ProcessExitedException):
        return 1
    if isinstance(error, ProcessRaisedException):
        return 1 if any(f"{e.__name__}: " in str(error) for e in _FAILURES) else 2
    return 1 if any(isinstance(e, _FAILURES) for e in _causes(error)) else 2


def disk_problem(error: BaseException) -> str | None:
    """The start of a sentence about a disk that can't be written to, or None."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in _DISK:
            file = f", at '{cause.filename}'" if cause.filename else ""
            return _DISK[cause.errno] + file
    return None


def _memory_problem(error: BaseException) -> str | None:
    found = next(filter(is_memory_error, _causes(error)), None)
    if found is None:
        return None
    size = re.search(r"tried to allocate (\S+ \w+)", str(found), re.IGNORECASE)
    asked = f" ({size[1]} at once)" if size else ""
    return (
        f"there is not enough memory for a tensor of this size{asked}: make "
        "data.batch_size, the data or the networks of the model smaller"
    )


def _wandb_problem(error: BaseException) -> str | None:
    found = (one for one in _causes(error) if type(one).__module__ in _WANDB)
    refusal = next(found, None)
    if refusal is None:
        return None
    said = " ".join(str(refusal).split()).rstrip(".")
    return (
        f"W&B refused: {said}; log in with `wandb login`, or set WANDB_MODE=offline "
        "and upload the run later with `wandb sync`"
    )


def usage_error(error: BaseException) -> UsageError | None:
    """The `UsageError` that an exception was raised from, if there is one."""
    causes = (cause for cause in _causes(error) if isinstance(cause, UsageError))
    return next(causes, None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    # jsonargparse wraps what a constructor raises; the reason is the cause.
    # Raised again from what wraps it, that one leads back to itself.
    cause: BaseException | None = error
    found: list[BaseException] = []
    while cause is not None and not any(cause is one for one in found):
        found.append(cause)
        yield cause
        cause = cause.__cause__


def _is_mistake(error: BaseException) -> bool:
    told = UsageError | MisconfigurationException | PermissionError | RankError
    if isinstance(error, told):
        return True
    if isinstance(error, ValueError | OSError):
        return raised_by(error, (*_OURS, *_FLAG_CHECKS))
    # A metric that is not there, a package that is not installed.
    from_callback = isinstance(error, RuntimeError | ModuleNotFoundError)
    return from_callback and raised_by(error, (_CALLBACKS,))


def _owner(error: BaseException) -> str:
    """What could not be constructed, as the sentence has to begin."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "__init__":
            instance = trace.tb_frame.f_locals.get("self")
            if owner := _before_argument(instance, str(error)):
                return owner
        trace = trace.tb_next
    return ""


def _before_argument(instance: object, text: str) -> str:
    """``"MLPCritic: "``, or ``"model."`` if a name of its arguments comes first."""
    name = type(instance).__name__
    if type(instance).__module__.startswith(_NETWORKS):
        return f"{name}: "
    if not isinstance(instance, LightningModule | Callback) or name in text:
        return ""
    first_word = re.findall(r"^\w+", text)
    if not accepted_names(type(instance)).intersection(first_word):
        return ""
    return "model." if isinstance(instance, LightningModule) else f"{name}: "


def raised_by(error: BaseException, directories: tuple[str, ...]) -> bool:
    """Whether a ``raise`` statement in one of these directories raised the error."""
    trace: TracebackType | None = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    raised = code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return raised and code.co_filename.startswith(directories)


def _explain_process(text: str) -> str | None:
    """Like `explain`, for the traceback that a forked process left as text."""
    frames = re.findall(r'  File "([^"]+)", line \d+, in .*\n\s+(\S+)', text)
    ends = re.findall(r"^(?:\w+\.)*(\w+): (.*)", text, re.MULTILINE)
    if not frames or not ends:
        return None
    (path, statement), (kind, message) = frames[-1], ends[-1]
    known = kind in (
        *("UsageError", "MisconfigurationException", "PermissionError"),
        *(failure.__name__ for failure in _FAILURES),
    )
    ours = kind in (
        "ValueError",
        "FileNotFoundError",
        "ConnectionError",
    ) and path.startswith(_OURS)
    return str(message) if known or (ours and statement == "raise") else None


def _explain_end(error: ProcessExitedException) -> str:
    """What a forked rank that left no traceback ended by; empty if it told that."""
    if not error.signal_name:
        return ""
    return (
        f"rank {error.error_index} was ended by {error.signal_name}: go on from the "
        "last checkpoint."
    )
