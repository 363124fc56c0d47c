"""Cost of `trainer.fit` between the first step and the last."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import CSVLogger

from benchmarks.timing import Spent, spending
from callbacks import UpdateProgress
from experiments.trainers import quiet_trainer


class Stopwatch(pl.Callback):
    """Times the training loop, without what is done before and after it."""

    def __init__(self, spent: Spent) -> None:
        self._block = spending(spent)

    def on_train_start(self, *_: Any) -> None:
        """Right before the first batch."""
        self._block.__enter__()

    def on_train_end(self, *_: Any) -> None:
        """Right after the last."""
        self._block.__exit__(None, None, None)


def fit(
    module: pl.LightningModule, data: pl.LightningDataModule, steps: int, **options: Any
) -> Spent:
    """Train for some updates on the CPU, without logging or checkpoints.

    Args:
        module: What is trained.
        data: What it is trained on.
        steps: Player updates.
        **options: See `quiet_trainer`.
    """
    spent = Spent(units=steps)
    _fit(module, data, steps, Stopwatch(spent), options)
    return spent


class Interleaved(pl.Callback):
    """After every few updates of a fit a loop by hand does as many; both are timed.

    What slows the machine for some seconds slows both. Each round begins with the
    other's data in the caches.

    Args:
        other: Does some updates.
        steps: Updates of a round.
        rounds: After these the fit ends.
    """

    def __init__(self, other: Callable[[int], None], steps: int, rounds: int) -> None:
        self.other, self.steps, self.rounds = other, steps, rounds
        self.ours: list[Spent] = []
        self.others: list[Spent] = []

    def _begin(self) -> None:
        self.ours.append(Spent(units=self.steps))
        self._watch = Stopwatch(self.ours[-1])
        self._watch.on_train_start()

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """The first round."""
        self._next = trainer.global_step + self.steps
        self._begin()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """The end of a round: the other's turn, and another round if there is one."""
        if trainer.global_step < self._next:
            return
        self._watch.on_train_end()
        self.others.append(Spent(units=self.steps))
        with spending(self.others[-1]):
            self.other(self.steps)
        self._next += self.steps
        if len(self.others) < self.rounds:
            self._begin()


def fit_beside(
    other: Callable[[int], None],
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    steps: int,
    rounds: int,
    **options: Any,
) -> tuple[list[Spent], list[Spent]]:
    """Train, and have a loop by hand do the same in turn, a few updates each.

    Args:
        other: Does some updates.
        module: What is trained.
        data: What it is trained on.
        steps: Player updates of a round.
        rounds: How many rounds.
        **options: See `quiet_trainer`.

    Returns:
        What the rounds of the fit cost, and those of the loop by hand.
    """
    watch = Interleaved(other, steps, rounds)
    _fit(module, data, steps * rounds, watch, options)
    return watch.ours, watch.others


def _fit(
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    steps: int,
    watch: pl.Callback,
    options: dict[str, Any],
) -> None:
    """With the watch after all other callbacks."""
    callbacks = [*options.pop("callbacks", ()), watch]
    quiet_trainer(**options, max_steps=steps, callbacks=callbacks).fit(module, data)


def watched(folder: Path) -> dict[str, Any]:
    """Options of a run in the foreground: a bar, and values every 50 steps."""
    return {
        "logger": CSVLogger(folder),
        "log_every_n_steps": 50,
        "callbacks": [UpdateProgress()],
    }
