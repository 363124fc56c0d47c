"""Time from a command to its help, and to its first step."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from benchmarks.comparison import Goal, Row, row, rows, verdict
from benchmarks.timing import Spent, Variant, alternate, summaries
from experiments.provenance import ROOT

IMPORT = (sys.executable, "-c", "import lightning.pytorch.cli")
HELP = (sys.executable, "train.py", "--help")
FIT = (
    *(sys.executable, "train.py", "fit", "--config", "configs/wgan_gp/digits.yaml"),
    "--trainer.callbacks+=benchmarks.startup.StopAtFirstStep",
)
TWICE = """
import json, sys, time
from pathlib import Path
from wasserstein_critics.cli.app import main

def spent(folder):
    start = time.monotonic(), time.process_time()
    code = main([*sys.argv[2:], "--trainer.default_root_dir=" + folder])
    assert code == 0
    return time.monotonic() - start[0], time.process_time() - start[1]

times = [spent(folder) for folder in (sys.argv[1] + "/a", sys.argv[1] + "/b")]
Path(sys.argv[1], "times.json").write_text(json.dumps(times))
"""
SHORT = (
    *("fit", "--config", "configs/wgan_gp/digits.yaml", "--config"),
    *("configs/smoke.yaml", "--trainer.limit_val_batches=0"),
)
LATER = 3.0  # seconds from where help would be printed to the end of the first step


class StopAtFirstStep(pl.Callback):
    """Ends training with its first batch."""

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Write the time, on the clock that all processes share."""
        Path(os.environ["FIRST_STEP"]).write_text(str(time.monotonic()))
        trainer.should_stop = True
        trainer.limit_val_batches = 0


def ran(words: Sequence[str], **variables: str) -> Spent:
    """A command from start to end.

    Raises:
        RuntimeError: If it fails.
    """
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            words, cwd=ROOT, stdout=output, stderr=output, env=os.environ | variables
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            end = output.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(words)} failed:\n{end}")
    wall = time.monotonic() - start
    return Spent(wall, used.ru_utime, used.ru_maxrss * 1024)


def first_step() -> Spent:
    """From the start of ``fit`` to the end of its first batch."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Path(folder, "first")
        runs = f"--trainer.logger.init_args.save_dir={folder}/runs"
        start = time.monotonic()
        spent = ran([*FIT, runs], FIRST_STEP=str(clock))
        spent.wall = float(clock.read_text()) - start
    return spent


def two_fits() -> list[Spent]:
    """Two short fits of one process, by what each call of ``main`` took."""
    with tempfile.TemporaryDirectory() as folder:
        whole = ran([sys.executable, "-c", TWICE, folder, *SHORT])
        times = json.loads(Path(folder, "times.json").read_text())
    return [Spent(wall, cpu, whole.memory) for wall, cpu in times]


def startup(rounds: int) -> list[Row]:
    """The command line beside the import of Lightning's."""
    imported, helped = "import lightning.pytorch.cli", "python train.py --help"
    fitted = "python train.py fit, first step"
    commands: tuple[Variant, ...] = (lambda: ran(IMPORT), lambda: ran(HELP), first_step)
    names = imported, helped, fitted
    times = alternate(dict(zip(names, commands, strict=True)), rounds, "start")
    first = times.pop(fitted)
    later = first.wall - times[helped].wall
    goal = f"at most {LATER:g} s after --help, took {later:.1f}"
    fits = zip(*(two_fits() for _ in range(rounds + 1)), strict=True)
    calls = summaries(dict(zip(("first", "second"), map(list, fits), strict=True)))
    return [
        *rows("start", "process", times, {helped: Goal(most=1.15)}),
        row("start", fitted, "process", first, verdict(goal, later <= LATER)),
        *rows("main(fit, two steps)", "call", calls, {"second": Goal(most=0.5)}),
    ]
