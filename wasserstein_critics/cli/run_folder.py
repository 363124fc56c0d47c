"""Where a command writes: one folder for everything about a run.

``fit`` makes ``<save_dir>/<name>/version_<n>``; with a checkpoint of a run it goes on
in that run's folder. Other subcommands write into a folder of their own below that of
their checkpoint: ``version_0/test-last``. docs/decisions/0020 says why.
"""

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    TensorBoardLogger,
    WandbLogger,
)

from callbacks import RunConfig
from callbacks.core.loggers import open_to_append
from callbacks.runs.run_config import CHECKPOINTS
from callbacks.runs.stop_on_signal import stopping_signal
from callbacks.runs.wandb_run import finish_open_run
from lightning_modules.core.files import remove_parts
from lightning_modules.core.lightning_internals import (
    leave_out_anonymous,
    set_root_directory,
)
from wasserstein_critics.cli.errors import Stopped, UsageError, disk_problem, explain
from wasserstein_critics.shipped import program

CONFIG = "config.yaml"


def home_of(checkpoint: str | os.PathLike[str] | None) -> Path | None:
    """The folder of the run that a checkpoint lies in, or None.

    It is ``<folder>/checkpoints/x.ckpt``, beside the folder's config. A folder that
    this user can't write to is none.
    """
    path = Path(checkpoint or "")
    if path.parent.name != CHECKPOINTS or not path.is_file():
        return None
    folder = path.parent.parent
    is_run = (folder / CONFIG).is_file() and os.access(folder, os.W_OK)
    return folder if is_run else None


def expand_directories(config: Namespace) -> None:
    """Replace ``~`` and variables of the environment in the places of runs and files.

    Loggers would make folders of that name, or half of them.
    """
    for node, key in _directories(config):
        if isinstance(path := node.get(key), str) and path:
            node[key] = os.path.expandvars(Path(path).expanduser())


def _directories(config: Namespace) -> Iterator[tuple[Namespace, str]]:
    yield config, "ckpt_path"
    yield config.trainer, "default_root_dir"
    loggers = config.trainer.logger
    for logger in loggers if isinstance(loggers, list) else [loggers]:
        if isinstance(logger, Namespace) and logger.get("init_args"):
            yield logger.init_args, "save_dir"


def parent_of_runs(config: Namespace) -> Path:
    """The directory in which new runs of a config get their numbered folders."""
    trainer = config.trainer
    logger = _specification(trainer.logger)
    if logger is None and trainer.logger is False:
        classes = (config.model.class_path, config.data.class_path)
        name = "-".join(path.rpartition(".")[2].lower() for path in classes)
        return Path(trainer.default_root_dir or Path("runs", name))
    arguments = {} if logger is None else logger.get("init_args") or {}
    root = arguments.get("save_dir") or trainer.default_root_dir or "."
    name = arguments.get("name") or arguments.get("project") or "lightning_logs"
    return Path(root, name)


def claim(parent: Path, name: str | None = None) -> Path:
    """Make a new folder that no other process makes too.

    Args:
        parent: Directory of the folder, made where it is missing.
        name: Its name, with a number after it where that exists; None for the next of
            ``version_0``, ``version_1`` and so on.
    """
    parent.mkdir(parents=True, exist_ok=True)
    number = _next_version(parent) if name is None else 0
    while True:
        suffix = f"-{number}" if number else ""
        path = parent / (f"version_{number}" if name is None else name + suffix)
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def _next_version(parent: Path) -> int:
    numbers = (path.name.removeprefix("version_") for path in parent.glob("version_*"))
    return max((int(number) + 1 for number in numbers if number.isdigit()), default=0)


@contextmanager
def run_folder(
    trainer: Trainer, config: Namespace, subcommand: str, checkpoint: str | None
) -> Iterator[None]:
    """Let a command write into one folder, and leave none if it did not start.

    Args:
        trainer: Its loggers and checkpoint callbacks are led there.
        config: Parsed configuration of the subcommand.
        subcommand: Its name.
        checkpoint: What stands after ``--ckpt_path``.

    Raises:
        UsageError: If another process trains in the folder.
    """
    if trainer.fast_dev_run or not trainer.is_global_zero:  # type: ignore[attr-defined]
        with _ending_told(trainer, None):
            yield
        return
    home = home_of(checkpoint)
    goes_on = subcommand == "fit" and home is not None
    with ExitStack() as stack:
        if goes_on:
            assert home is not None
            folder = home
        else:
            folder = stack.enter_context(_new_folder(config, subcommand, checkpoint))
        if home is not None:
            _clean(home)
        stack.enter_context(_locked(folder))
        _lead(trainer, config, folder)
        open_to_append(trainer)
        if goes_on:
            sys.stderr.write(f"note: the run goes on in its folder, {folder}.\n")
        with _ending_told(trainer, folder):
            yield


@contextmanager
def _ending_told(trainer: Trainer, folder: Path | None) -> Iterator[None]:
    """Say what remains of a run that a signal, a pipe or a full disk ends."""
    last = folder / CHECKPOINTS / "last.ckpt" if folder else Path()
    try:
        yield
    except SystemExit as error:
        number = _of_a_pipe(error) or stopping_signal(trainer, error)
        if number is None:
            raise
        name = signal.Signals(number).name
        if last.is_file():
            config = last.parents[1] / CONFIG
            then = f"{program()} fit --config {config} --ckpt_path {last} goes on"
        else:
            then = "no checkpoint was saved"
        raise Stopped(number, f"stopped by {name}; {then}.") from error
    except Exception as error:
        problem = disk_problem(error)
        if problem is None or folder is None:
            raise
        then = f"go on with --ckpt_path {last}" if last.is_file() else "start again"
        raise UsageError(
            f"{problem}, while '{folder}' was written: make room, then {then}."
        ) from error


def _of_a_pipe(error: SystemExit) -> int | None:
    """SIGPIPE where nobody reads what rich prints, as after ``| head``."""
    ended = isinstance(error.__context__, BrokenPipeError)
    return signal.SIGPIPE if ended else None


@contextmanager
def _new_folder(
    config: Namespace, subcommand: str, checkpoint: str | None
) -> Iterator[Path]:
    """A claimed folder; removed if nothing begins in it, unless by a bug."""
    home = home_of(checkpoint)
    if home is None or subcommand == "fit":
        parent, name = parent_of_runs(config), _asked_for(config)
    else:
        parent, name = home, f"{subcommand}-{Path(str(checkpoint)).stem}"
    missing = [path for path in (parent, *parent.parents) if not path.exists()]
    folder = claim(parent, name)

    def remove() -> None:
        if (folder / CONFIG).exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # a directory that others use by now is not empty
            for path in missing:
                path.rmdir()

    try:
        yield folder
    except Exception as error:
        if explain(error):
            remove()
        raise
    remove()


def _asked_for(config: Namespace) -> str | None:
    """The folder's name that the logger's ``version`` asks for."""
    logger = _specification(config.trainer.logger)
    if logger is None or logger.class_path.endswith("WandbLogger"):
        return None
    version = (logger.get("init_args") or {}).get("version")
    if version is None:
        return None
    name = version if isinstance(version, str) else f"version_{version}"
    folder = parent_of_runs(config) / name
    if folder.exists():
        raise UsageError(
            f"trainer.logger.version {version} names {folder}, which exists: leave it "
            "out for the next free number, or name another."
        )
    return name


_held = set[int]()  # open folders


def _let_go() -> None:
    """Close them in a forked process, so that no worker outlives its lock."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder as long as this process trains in it; a kill releases it."""
    handle = os.open(folder, os.O_RDONLY)
    _held.add(handle)
    try:
        with suppress(OSError):  # where the file system has no locks there is no check
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"'{folder}' is a run that another process trains: wait until it "
                    "ends, or start a new run."
                ) from None
        yield
    finally:
        if handle in _held:
            _held.remove(handle)
            os.close(handle)


def _clean(home: Path) -> None:
    """Remove what killed commands have left half-written in a run's folders."""
    below = [path.parent for path in home.glob(f"*/{CONFIG}")]
    for folder in (home, *below):
        with suppress(UsageError), _locked(folder):  # no other process writes there
            for part in (folder, folder / CHECKPOINTS):
                remove_parts(part)


def _lead(trainer: Trainer, config: Namespace, folder: Path) -> None:
    """Lead everything that the trainer writes into a folder."""
    if not trainer.loggers and "SLURM_JOB_ID" not in os.environ:
        # a job that a cluster queues again finds its checkpoint in the old place
        set_root_directory(trainer, folder)
    specifications = config.trainer.logger
    if not isinstance(specifications, list):
        specifications = [specifications] * len(trainer.loggers)
    trainer.loggers = list(_placed(trainer.loggers, specifications, folder))
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            callback.dirpath = str(folder / CHECKPOINTS)
    for one in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(one, RunConfig):
            one.run_folder = folder


def _placed(
    loggers: Sequence[Logger], specifications: Sequence[Any], folder: Path
) -> Iterator[Logger]:
    """The loggers, the first of each known class writing into a folder."""
    placed = set[type]()
    for logger, specification in zip(loggers, specifications, strict=True):
        kind = type(logger)
        place: dict[str, Any] = {}
        if kind in (CSVLogger, TensorBoardLogger):
            place = {"save_dir": folder.parent, "name": "", "version": folder.name}
        elif kind is WandbLogger:
            finish_open_run()
            # its service has a working directory of its own, that of the first run
            place = {"save_dir": folder.absolute()}
        if not place or kind in placed:
            yield logger
            continue
        placed.add(kind)
        patience = _patience() if kind is WandbLogger else {}
        logger = kind(**patience | _arguments(specification) | place)
        if isinstance(logger, WandbLogger):
            leave_out_anonymous(logger)
        yield logger


def _patience() -> dict[str, Any]:
    """Settings with which W&B is not waited for longer than half a minute."""
    if "WANDB_INIT_TIMEOUT" in os.environ:
        return {}
    import wandb

    return {"settings": wandb.Settings(init_timeout=30)}


def _specification(logger: Any) -> Namespace | None:
    first = logger[0] if isinstance(logger, list) and logger else logger
    return first if isinstance(first, Namespace) else None


def _arguments(logger: Any) -> dict[str, Any]:
    if not isinstance(logger, Namespace):
        return {}
    given = logger.as_dict()
    return {**(given.get("init_args") or {}), **(given.get("dict_kwargs") or {})}
