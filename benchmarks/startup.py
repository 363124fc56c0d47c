"""How long a command takes to start, and until its first step."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from benchmarks.records import Goal, Row, records, rows
from benchmarks.timing import Spent, Way

ROOT = Path(__file__).resolve().parents[1]
IMPORT = (sys.executable, "-c", "import lightning.pytorch.cli")
HELP = (sys.executable, "train.py", "--help")
FIT = (
    *(sys.executable, "train.py", "fit", "--config", "configs/wgan_gp/digits.yaml"),
    "--trainer.callbacks+=benchmarks.startup.StopAtFirstStep",
)
LATER = 3.0  # seconds from where help would be printed to the end of the first step


class StopAtFirstStep(pl.Callback):
    """Ends training with its first batch."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Says when that was, on the clock that all processes share."""
        Path(os.environ["FIRST_STEP"]).write_text(str(time.monotonic()))
        trainer.should_stop = True
        trainer.limit_val_batches = 0


def ran(words: Sequence[str], **variables: str) -> Spent:
    """A command from start to end.

    Raises:
        RuntimeError: If it fails.
    """
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            words, cwd=ROOT, stdout=said, stderr=said, env=os.environ | variables
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            end = said.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(words)} failed:\n{end}")
    wall = time.monotonic() - start
    return Spent(wall, used.ru_utime, used.ru_maxrss * 1024)


def first_step() -> Spent:
    """From the start of ``fit`` to the end of its first batch."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "first")
        runs = f"--trainer.logger.init_args.save_dir={folder}/runs"
        start = time.monotonic()
        spent = ran([*FIT, runs], FIRST_STEP=str(told))
        spent.wall = float(told.read_text()) - start
    return spent


def startup(rounds: int) -> list[dict[str, Any]]:
    """The command line beside the import of Lightning's."""
    ways: dict[str, Way] = {
        "import lightning.pytorch.cli": lambda: ran(IMPORT),
        "python train.py --help": lambda: ran(HELP),
        "python train.py fit, first step": first_step,
    }
    goals = {"python train.py --help": Goal(most=1.15)}
    imported, helped, stepped = rows("start", "process", ways, rounds, goals)
    later = stepped.summary.wall - helped.summary.wall
    goal = f"at most {LATER:g} s after --help, took {later:.1f}"
    what = (stepped.case, stepped.way, stepped.unit, goal, later <= LATER)
    return records([imported, helped, Row(*what, stepped.summary)])
