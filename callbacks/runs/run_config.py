"""Provenance of a run: the resolved config, the command, commit and versions."""

import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from typing_extensions import override

import lightning_modules
from callbacks.core.loggers import keep_rows_until, rows_logged, run_directory
from callbacks.report.settings import differences
from lightning_modules.core.files import free_name, write_whole
from lightning_modules.core.lightning_internals import is_fitting
from lightning_modules.data_contracts.contracts import Summarised, data_of

KEY = "run"  # in a checkpoint
FILE = "run.json"
CHECKPOINTS = "checkpoints"
DIFFERENCES = ("shipped", "differences")
SETTINGS = ("seed_everything", "model", "data")

PACKAGES = (
    *("wasserstein-critics", "torch", "torchvision", "lightning", "torchmetrics"),
    *("jsonargparse", "numpy", "scipy", "pot"),
)


class RunConfig(SaveConfigCallback):
    """Keeps the run's folder: config, command, checkpoint, what comes of it.

    ``config.yaml`` is the resolved config, ``run.json`` says what ran: the command, the
    checkpoint, how many processes on which device, the step at the start, commit and
    versions, and when training ends the step, the seconds and the best checkpoint.
    Lightning's own callback writes before set-up and refuses to run twice where the
    directory does not change between runs. This one writes when the first training
    step is about to begin, or the first batch of a validation, test or prediction, so
    a run that fails in set-up leaves nothing behind.

    Where a run goes on in its own folder, an earlier config that differs is kept as
    ``config-1.yaml``, the earlier ``run.json`` under ``earlier`` in the new one, and
    what the run had saved after the checkpoint (checkpoints and rows of
    ``metrics.csv``) in ``after-step-<n>``. A checkpoint holds the settings of model and
    data, so that the run can't be continued with others unnoticed.

    Raises:
        ValueError: If a run goes on with data of other sizes.

    Args:
        parser: The CLI's parser.
        config: The parsed configuration.
        config_filename: Name of the file.

    Attributes:
        run_folder: The folder, where the command line has chosen one.
        shipped: Names of the shipped configs that the run's was made from, and what
            they say, where the command line knows it; ``run.json`` keeps the names and
            what differs.
    """

    shipped: tuple[str, Mapping[str, Any]] | None = None

    run_folder: Path | None = None
    _rows: int | None = None
    _start = 0.0
    _session: Mapping[str, Any] = {}

    def __init__(
        self,
        parser: LightningArgumentParser,
        config: Any,
        config_filename: str = "config.yaml",
    ) -> None:
        super().__init__(parser, config, config_filename)

    @property
    def resolved(self) -> dict[str, Any]:
        """The full configuration as plain values, as a tracker wants it."""
        return dict(yaml.safe_load(self._text))

    @cached_property
    def _text(self) -> str:
        config = self.config.clone()
        if "ckpt_path" in config:
            config.ckpt_path = None  # run.json has it
        return str(self.parser.dump(config, skip_unset=False, skip_validation=True))

    @cached_property
    def _settings(self) -> dict[str, Any]:
        resolved = self.resolved
        return {key: resolved[key] for key in SETTINGS if key in resolved}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Tell all ranks the folder; write nothing yet: the run may still fail."""
        self.run_folder = trainer.strategy.broadcast(self.run_folder)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep apart what is later than the checkpoint, and write what runs now."""
        self._start = time.monotonic()
        if trainer.is_global_zero:
            self._set_apart(trainer)
            self.write(run_directory(trainer), trainer)

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and not is_fitting(trainer) and not self._session:
            self.write(run_directory(trainer), trainer)

    on_test_start = on_predict_start = on_validation_start

    @override
    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        saved = checkpoint.get(KEY, {})
        self._rows = saved.get("rows")
        if is_fitting(trainer):
            _check_same_data(saved.get("summary"), summary_of_data(trainer))

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        rows = rows_logged(trainer) if trainer.is_global_zero else None
        summary = summary_of_data(trainer)
        settings = {"settings": self._settings, "summary": summary}
        checkpoint[KEY] = {**settings, "rows": rows}

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write and say how long it took, what was best, and where it is."""
        if not trainer.is_global_zero:
            return
        folder = run_directory(trainer)
        if not self._session:
            sys.stderr.write(f"run: {nothing_to_do(trainer)}\n")
            return
        seconds = time.monotonic() - self._start
        self._session = {
            **self._session,
            "last_step": trainer.global_step,
            "seconds": round(seconds, 3),
            "best": best_checkpoints(trainer, folder),
        }
        self._write_session(folder)
        sys.stderr.write(f"run: {ending(self._session)}; all of it is in {folder}.\n")

    def write(self, directory: Path, trainer: Trainer) -> None:
        """Write the config and what runs into a directory."""
        path = directory / self.config_filename
        if path.exists() and path.read_text() != self._text:
            path.rename(free_name(path))
        write_whole(path, self._text)
        earlier = _read_json(directory / FILE)
        before = earlier.pop("earlier", [])
        checkpoint = trainer.ckpt_path
        self._session = {
            **provenance(),
            "checkpoint": None if checkpoint is None else str(checkpoint),
            **self._differences(earlier),
            "processes": trainer.world_size,
            "nodes": trainer.num_nodes,
            "device": _name_of(trainer.strategy.root_device),
            "first_step": trainer.global_step,
            "earlier": [*before, *([earlier] if earlier else [])],
        }
        self._write_session(directory)

    def _differences(self, earlier: Mapping[str, Any]) -> dict[str, Any]:
        """What is not as shipped: setting, shipped value, value of the run."""
        if self.shipped is None:
            return {key: earlier[key] for key in DIFFERENCES if key in earlier}
        name, config = self.shipped
        own = {key: value for key, value in self.resolved.items() if key != "config"}
        rows = differences(config, own)
        return dict(zip(DIFFERENCES, (name, rows), strict=True))

    def _write_session(self, directory: Path) -> None:
        write_whole(directory / FILE, json.dumps(self._session, indent=2) + "\n")

    def _set_apart(self, trainer: Trainer) -> None:
        """Move away what the run had saved after the step from which it goes on."""
        folder = run_directory(trainer)
        path = Path(trainer.ckpt_path or "")
        if not path.name or path.parent.resolve() != (folder / CHECKPOINTS).resolve():
            return
        step = trainer.global_step
        apart = free_name(folder / f"after-step-{step}")
        for other in path.parent.glob("*.ckpt"):
            same = other.exists() and other.samefile(path)
            if not same and step_of(other) > step:
                target = apart / path.parent.name / other.name
                target.parent.mkdir(parents=True, exist_ok=True)
                other.rename(target)
        metrics = "metrics.csv"
        keep_rows_until(folder / metrics, step, self._rows, apart / metrics)


def summary_of_data(trainer: Trainer) -> str | None:
    """What the data module says of its rows, or None."""
    data = data_of(trainer)
    return data.summary() if isinstance(data, Summarised) else None


def _check_same_data(before: str | None, now: str | None) -> None:
    """Refuse to go on with other numbers of rows (ValueError)."""
    # what comes before the first colon is the place, which may be another
    texts = [(text or "").partition(": ")[2] for text in (before, now)]
    numbers = [re.findall(r"\d[\d,]*", text) for text in texts]
    if len(numbers[0]) == len(numbers[1]) and numbers[0] != numbers[1]:
        raise ValueError(
            f"ckpt_path goes on with a run on {texts[0]}, but data has {texts[1]}: "
            "give the data of that run, or leave ckpt_path out to start a new run."
        )


def step_of(checkpoint: Path) -> float:
    """Its global step; infinite where the file is damaged."""
    try:
        content = torch.load(
            checkpoint, map_location="cpu", weights_only=True, mmap=True
        )
        return int(content["global_step"])
    except Exception:  # torch raises a dozen kinds
        return float("inf")


def best_checkpoints(trainer: Trainer, folder: Path) -> list[dict[str, Any]]:
    """Metric, value and path within the folder of the best of each callback."""
    found = []
    for callback in trainer.checkpoint_callbacks:
        if not isinstance(callback, ModelCheckpoint) or callback.monitor is None:
            continue
        score, path = callback.best_model_score, callback.best_model_path
        if score is not None and path:
            named = Path(os.path.relpath(path, folder)).as_posix()
            best = {"metric": callback.monitor, "value": float(score), "path": named}
            found.append(best)
    return found


def ending(session: Mapping[str, Any]) -> str:
    """How a fit ended, as a part of a sentence.

    >>> best = [{"metric": "val/fid", "value": 2.5, "path": "checkpoints/best-9.ckpt"}]
    >>> steps = {"first_step": 2, "last_step": 12, "seconds": 83.0, "processes": 2}
    >>> ending({**steps, "best": best})
    'step 2 to 12 in 0:01:23, 2 processes; best val/fid 2.5 (checkpoints/best-9.ckpt)'
    """
    spent, n = timedelta(seconds=round(session["seconds"])), session["processes"]
    by = f", {n} processes" if n > 1 else ""
    parts = [f"step {session['first_step']} to {session['last_step']} in {spent}{by}"]
    parts += [
        f"best {best['metric']} {best['value']:.6g} ({best['path']})"
        for best in session["best"]
    ]
    return "; ".join(parts)


def nothing_to_do(trainer: Trainer) -> str:
    """Why a fit made no step, in a sentence."""
    steps = trainer.max_steps, "max_steps"
    limit, name = steps if trainer.max_steps > 0 else (trainer.max_epochs, "max_epochs")
    return (
        f"nothing was trained, for the checkpoint is of step {trainer.global_step} and "
        f"trainer.{name} is {limit}: raise it to go on."
    )


def _name_of(device: torch.device) -> str:
    """The device as its maker calls it, or its kind."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def provenance() -> dict[str, Any]:
    """What is needed to reproduce the run, apart from the config.

    Returns:
        ``command``, ``started`` (UTC), ``commit`` (None outside a repository),
        ``modified`` (whether tracked files differ from it), ``python``,
        ``platform`` and ``packages`` (name to version, None where missing).
    """
    commit = git_commit()
    return {
        "command": shlex.join([*_program(Path(sys.argv[0])), *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "modified": bool(_git("status", "--porcelain", "-uno")) if commit else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _program(started: Path) -> list[str]:
    """The words that started it; an installed script without its place."""
    if started.name == "__main__.py":
        return ["python", "-m", started.parent.name]
    return [str(started) if started.suffix else started.name]


def git_commit() -> str | None:
    """The commit of this code, or None where it does not lie in its repository."""
    # An installed copy may lie inside a repository of somebody else, untracked.
    tracked = _git("ls-files", "--error-unmatch", "__init__.py")
    return _git("rev-parse", "HEAD") if tracked else None


def _git(*arguments: str) -> str | None:
    home = Path(lightning_modules.__file__ or "").parent
    try:
        done = subprocess.run(
            ["git", "-C", str(home), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
