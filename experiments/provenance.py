"""Where a number comes from: the checkout, its commit, the hardware, the data."""

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = (
    *("lightning_modules", "datamodules", "callbacks", "configs"),
    *("wasserstein_critics", "experiments", "benchmarks", "train.py"),
)


def require_root() -> None:
    """End the process unless it runs from the root of the checkout.

    Raises:
        SystemExit: With one sentence that says where to go.
    """
    if Path.cwd() != ROOT:
        sys.exit(f"error: run this from the root of the checkout: cd {ROOT}")


def commit() -> str:
    """The checked-out commit, with ``+`` if tracked code differs from it."""
    head = _git("rev-parse", "--short=12", "HEAD").stdout.strip()
    changed = _git("diff", "--quiet", "HEAD", "--", *CODE).returncode
    return (head or "unknown") + ("+" if changed else "")


def _git(*words: str) -> "subprocess.CompletedProcess[str]":
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def hardware() -> str:
    """Processor, cores used, and torch's version."""
    import torch

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return (
        f"{model}, {torch.get_num_threads()} of {os.cpu_count()} cores, "
        f"torch {torch.__version__}"
    )


def data_root() -> Path:
    """Where the data sets lie: ``WASSERSTEIN_DATA``, or ``data`` here."""
    return Path(os.environ.get("WASSERSTEIN_DATA") or "data")
