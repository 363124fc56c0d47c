"""A progress bar in the unit of the papers: updates of the generator or encoder."""

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


class UpdateProgress(EveryNSteps):
    """One bar over the whole training, counted in generator (or encoder) updates.

    Lightning's bar counts the batches of an epoch. With small data and several critic
    updates to a generator update an epoch says nothing, and a new bar for each costs
    time. Beside this bar stand the values that were logged last. Where training is
    bounded by epochs instead of ``max_steps``, the bar counts those.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self._progress: Progress | None = None
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
        self._advance(trainer)
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and trainer.global_step % every == 0:
            self._progress.update(self._task, values=_shown(trainer))

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


def _shown(trainer: Trainer) -> str:
    """The training values on Lightning's progress bar, losses last."""
    metrics = trainer.progress_bar_metrics.items()
    named = [(k.removeprefix("train/"), float(v)) for k, v in metrics if k != "v_num"]
    named.sort(key=lambda pair: pair[0].endswith("loss"))
    return " ".join(f"{name} {value:.3g}" for name, value in named)
