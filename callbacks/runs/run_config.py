"""Provenance of a run: the resolved config, the commit and package versions."""

import json
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from typing_extensions import override

import lightning_modules
from callbacks.core.loggers import run_directory
from lightning_modules.core.files import free_name, write_whole

PACKAGES = (
    *("wasserstein-critics", "torch", "torchvision", "lightning", "torchmetrics"),
    *("jsonargparse", "numpy", "scipy", "pot"),
)


class RunConfig(SaveConfigCallback):
    """Writes ``config.yaml`` and ``run.json`` into the run's own directory.

    Lightning's own callback writes before set-up and refuses to run twice where
    the directory does not change between runs. This one writes when the first
    training step is about to begin, so a run that fails in set-up leaves
    nothing behind. A different config that already lies there (a run resumed
    with other settings, or runs without a logger) is kept as ``config-1.yaml``.

    Args:
        parser: The CLI's parser.
        config: The parsed configuration.
        config_filename: Name of the file.
    """

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
        return dict(yaml.safe_load(self._text()))

    def _text(self) -> str:
        return str(self.parser.dump(self.config, skip_unset=False))

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet: the run may still fail."""

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            self.write(run_directory(trainer))

    def write(self, directory: Path) -> None:
        """Write the config and what ran it into a directory."""
        path, text = directory / self.config_filename, self._text()
        if path.exists() and path.read_text() != text:
            path.rename(free_name(path))
        write_whole(path, text)
        write_whole(directory / "run.json", json.dumps(provenance(), indent=2) + "\n")


def provenance() -> dict[str, Any]:
    """What is needed to reproduce the run, apart from the config.

    Returns:
        ``command``, ``started`` (UTC), ``commit`` (None outside a repository),
        ``modified`` (whether tracked files differ from it), ``python``,
        ``platform`` and ``packages`` (name to version, None where missing).
    """
    commit = git_commit()
    return {
        "command": shlex.join(sys.argv),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "modified": bool(_git("status", "--porcelain", "-uno")) if commit else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


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
