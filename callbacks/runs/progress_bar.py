"""A progress bar in the unit of the papers: updates of the generator or encoder."""

from time import monotonic as now
from typing import Any

from lightning.pytorch import LightningModule, Trainer
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

MEASURED = 5.0
"""Seconds of training from which the time of the rest is estimated."""
ENOUGH = 1.5  # minutes, below which seconds are told; likewise of hours and days
UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 0}


class UpdateProgress(EveryNSteps):
    """One bar over the whole training, counted in generator (or encoder) updates.

    Lightning's bar counts the batches of an epoch. With small data and several critic
    updates to a generator update an epoch says nothing, and a new bar for each costs
    time. Beside this bar stand the values that were logged last. Where training is
    bounded by epochs instead of ``max_steps``, the bar counts those. After a few
    seconds a line says how long the steps to come will take at the measured rate.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._progress: Progress | None = None
        self._begin: tuple[float, int] | None = None
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
            self._progress.update(self._task, values=_shown(trainer))

    def _estimate(self, progress: Progress, trainer: Trainer) -> None:
        """Say once how long it will take, from the rate of a few seconds."""
        moment, step = now(), trainer.global_step
        if self._begin is None:  # the first step is slower than the others
            self._begin = (moment, step)
            return
        seconds, steps = moment - self._begin[0], step - self._begin[1]
        if self._told or trainer.max_steps < 0 or seconds < MEASURED:
            return
        self._told = True
        left = trainer.max_steps - step
        if left * seconds / steps > MEASURED:
            progress.console.print(budget(left, seconds / steps))

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


def budget(steps: int, each: float) -> str:
    """How long steps will take, as a sentence.

    Args:
        steps: How many there are until the end.
        each: Seconds of one.

    >>> budget(1900, 0.49)
    'about 16 minutes for the 1,900 steps to come (0.49 s each), and validations.'
    >>> budget(100_000, 0.9)
    'about 25 hours for the 100,000 steps to come (0.9 s each), and validations.'
    """
    left = steps * each
    unit, size = next(
        (unit, size) for unit, size in UNITS.items() if left > size * ENOUGH
    )
    size = size or 1
    return (
        f"about {left / size:.0f} {unit} for the {steps:,} steps to come "
        f"({each:.2g} s each), and validations."
    )


def _shown(trainer: Trainer) -> str:
    """The training values on Lightning's progress bar, losses last."""
    metrics = trainer.progress_bar_metrics.items()
    named = [(k.removeprefix("train/"), float(v)) for k, v in metrics if k != "v_num"]
    named.sort(key=lambda pair: pair[0].endswith("loss"))
    return " ".join(f"{name} {value:.3g}" for name, value in named)
