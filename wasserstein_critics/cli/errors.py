"""Which exceptions are a user's mistake, told in one sentence, and which are bugs."""

import dis
import re
from pathlib import Path
from types import TracebackType

import lightning.pytorch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule
from torch.multiprocessing.spawn import ProcessRaisedException

from wasserstein_critics.cli.names import accepted_names

_REPOSITORY = Path(__file__).parents[2]
_OURS = tuple(
    str(_REPOSITORY / name)
    for name in ("lightning_modules", "datamodules", "callbacks")
)
_NETWORKS = "lightning_modules.networks."
# Lightning's checks of the trainer's flags raise plain ValueErrors.
_FLAG_CHECKS = str(Path(lightning.pytorch.__file__).parent / "trainer")


class UsageError(ValueError):
    """A mistake of the user, told in one sentence that names the key and the remedy."""


def explain(error: BaseException) -> str | None:
    """The sentence to show instead of a traceback, or None if there is no such.

    A mistake of the user is a `UsageError`, a configuration that Lightning refuses, a
    file or directory that may not be opened, and a ``ValueError`` or
    ``OSError`` that one of our packages or a check of Lightning's trainer
    raises on purpose. The same errors from elsewhere, or from a statement that was not
    meant to raise, are bugs.
    """
    if isinstance(error, ProcessRaisedException):
        return _explain_process(str(error))
    # jsonargparse wraps what a constructor raises; the reason is the cause.
    link: BaseException | None = error
    while link is not None:
        if _is_mistake(link):
            return _owner(link) + " ".join(str(link).split())
        link = link.__cause__
    return None


def _is_mistake(error: BaseException) -> bool:
    if isinstance(error, UsageError | MisconfigurationException | PermissionError):
        return True
    checked = (*_OURS, _FLAG_CHECKS)
    return isinstance(error, ValueError | OSError) and raised_by(error, checked)


def _owner(error: BaseException) -> str:
    """What could not be made, as the sentence has to begin."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "__init__":
            made = trace.tb_frame.f_locals.get("self")
            if owner := _before_argument(made, str(error)):
                return owner
        trace = trace.tb_next
    return ""


def _before_argument(made: object, text: str) -> str:
    """``"MLPCritic: "``, or ``"model."`` if a name of its arguments comes first."""
    name = type(made).__name__
    if type(made).__module__.startswith(_NETWORKS):
        return f"{name}: "
    if not isinstance(made, LightningModule | Callback) or name in text:
        return ""
    begins = re.findall(r"^\w+", text)
    if not accepted_names(type(made)).intersection(begins):
        return ""
    return "model." if isinstance(made, LightningModule) else f"{name}: "


def raised_by(error: BaseException, directories: tuple[str, ...]) -> bool:
    """Whether a ``raise`` statement in one of these directories made the error."""
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
    known = kind in ("UsageError", "MisconfigurationException", "PermissionError")
    ours = kind in (
        "ValueError",
        "FileNotFoundError",
        "ConnectionError",
    ) and path.startswith(_OURS)
    return str(message) if known or (ours and statement == "raise") else None
