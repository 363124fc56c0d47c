"""What a training shows: its networks, and a bar in the unit of the papers."""

import math
import sys
from time import monotonic as now
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from typing_extensions import override

from callbacks.core.every_n_steps import EveryNSteps
from lightning_modules.core.lightning_internals import batches_trained

MEASURED = 5.0
"""Seconds of training from which the time of the rest is estimated."""
OTHERS = 43  # characters beside the values and two numbers of steps
ENOUGH = 1.5  # minutes, below which seconds are told; likewise of hours and days
UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 0}


class UpdateProgress(EveryNSteps):
    """One bar over the whole training, counted in generator (or encoder) updates.

    Lightning's bar counts the batches of an epoch. With small data and several critic
    updates to a generator update an epoch says nothing, and a new bar for each costs
    time. Beside this bar stand the values that were logged last. Where training is
    bounded by epochs instead of ``max_steps``, the bar counts those. After a few
    seconds a line says how long the steps, or epochs, to come will take at the measured
    rate.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._progress: Progress | None = None
        self._begin: tuple[float, float] | None = None
        self._told = False
        self._task = TaskID(0)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar, at the place from which a resumed run goes on."""
        if not trainer.is_global_zero:
            return
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=16, table_column=Column(no_wrap=True)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            # What does not fit beside the rest is cut off, not wrapped.
            TextColumn(
                "{task.fields[values]}",
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            expand=True,
            refresh_per_second=2,
        )
        unit = "updates" if trainer.max_steps > 0 else "epochs"
        total = trainer.max_steps if trainer.max_steps > 0 else trainer.max_epochs
        self._task = self._progress.add_task(unit, total=total, values="")
        self._advance(trainer)
        self._progress.start()
        self._begin = None

    def _advance(self, trainer: Trainer) -> None:
        if self._progress is not None:
            done = (
                trainer.current_epoch if trainer.max_steps < 0 else trainer.global_step
            )
            self._progress.update(self._task, completed=done)

    @override
    def on_step(self, trainer: Trainer, pl_module: LightningModule, batch: Any) -> None:
        """Move on; show values when new ones were logged."""
        if self._progress is None:
            return
        self._estimate(self._progress, trainer)
        self._advance(trainer)
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and trainer.global_step % every == 0:
            numbers = 2 * len(str(trainer.max_steps))
            width = self._progress.console.width - OTHERS - numbers
            self._progress.update(self._task, values=_fitting(_shown(trainer), width))

    def _estimate(self, progress: Progress, trainer: Trainer) -> None:
        """Say once how long it will take, from the rate of a few seconds."""
        moment, (done, total, unit) = now(), _place(trainer)
        if self._begin is None:  # the first step is slower than the others
            self._begin = (moment, done)
            return
        seconds, made = moment - self._begin[0], done - self._begin[1]
        if self._told or not made or seconds < MEASURED:
            return
        self._told = True
        left = total - done
        if MEASURED < left * seconds / made < math.inf:
            progress.console.print(budget(left, seconds / made, unit))

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop(trainer)

    @override
    def on_exception(self, trainer: Trainer, *_: Any) -> None:
        self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        if self._progress is not None:
            self._advance(trainer)
            self._progress.stop()
            self._progress = None


def _place(trainer: Trainer) -> tuple[float, float, str]:
    """How far training is, how far it goes, and in which unit."""
    if trainer.max_steps > 0:
        return trainer.global_step, trainer.max_steps, "steps"
    done = batches_trained(trainer) / trainer.num_training_batches
    return done, trainer.max_epochs or math.inf, "epochs"


def budget(steps: float, each: float, unit: str = "steps") -> str:
    """How long steps, or epochs, will take, as a sentence.

    Args:
        steps: How many there are until the end.
        each: Seconds of one.
        unit: What is counted.

    >>> budget(1900, 0.49)
    'about 16 minutes for the 1,900 steps to come (0.49 s each), and validations.'
    >>> budget(100_000, 0.9)
    'about 25 hours for the 100,000 steps to come (0.9 s each), and validations.'
    >>> budget(18.6, 2.5, "epochs")
    'about 46 seconds for the 19 epochs to come (2.5 s each), and validations.'
    """
    left = steps * each
    time, size = next(
        (time, size) for time, size in UNITS.items() if left > size * ENOUGH
    )
    size = size or 1
    return (
        f"about {left / size:.0f} {time} for the {steps:,.0f} {unit} to come "
        f"({each:.2g} s each), and validations."
    )


def _shown(trainer: Trainer) -> list[str]:
    """The training values on Lightning's progress bar, losses last."""
    metrics = trainer.progress_bar_metrics.items()
    named = [(k.removeprefix("train/"), float(v)) for k, v in metrics if k != "v_num"]
    named.sort(key=lambda pair: pair[0].endswith("loss"))
    return [f"{name} {value:.3g}" for name, value in named]


def _fitting(values: list[str], width: int) -> str:
    """As many of the first values as a line has room for.

    >>> _fitting(["wasserstein 0.716", "penalty 1.29", "critic_loss 2.1"], 35)
    'wasserstein 0.716 penalty 1.29'
    """
    shown = ""
    for value in values:
        longer = f"{shown} {value}".lstrip()
        if len(longer) > width:
            break
        shown = longer
    return shown


class NetworkSizes(Callback):
    """Says in a line which networks a fit trains and how large they are."""

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            sys.stderr.write(f"model: {sizes(pl_module)}.\n")


def sizes(module: LightningModule) -> str:
    """The class of a method, and the classes and parameters of its parts.

    Args:
        module: One whose parts have their sizes by now.
    """
    parts = [
        (f"{name} {type(part).__name__}", sum(p.numel() for p in part.parameters()))
        for name, part in module.named_children()
    ]
    total = sum(parameter.numel() for parameter in module.parameters())
    named = [f"{name} {count:,}" for name, count in parts if count]
    shown = f" ({', '.join(named)})" * bool(named)
    return f"{type(module).__name__}, {total:,} parameters{shown}"
