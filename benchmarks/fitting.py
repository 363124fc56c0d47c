"""Cost of `trainer.fit` between the first step and the last, and of loops by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from benchmarks.timing import Spent, spending
from callbacks import UpdateProgress
from experiments.trainers import quiet_trainer


def stopwatch(spent: Spent) -> pl.Callback:
    """Times the training loop, without what is done before and after it."""
    block = spending(spent)
    return LambdaCallback(
        on_train_start=lambda *_: block.__enter__(),
        on_train_end=lambda *_: block.__exit__(None, None, None),
    )


def fit(
    module: pl.LightningModule, data: pl.LightningDataModule, steps: int, **options: Any
) -> Spent:
    """Train for some updates on the CPU, without logging or checkpoints.

    Args:
        module: What is trained.
        data: What it is trained on.
        steps: Updates that ``global_step`` counts.
        **options: See `quiet_trainer`.
    """
    spent = Spent(units=steps)
    _fit(module, data, steps, stopwatch(spent), options)
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
        self._block = spending(self.ours[-1])
        self._block.__enter__()

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """The first round."""
        self._next = trainer.global_step + self.steps
        self._begin()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """The end of a round: the other's turn, and another round if there is one."""
        if trainer.global_step < self._next:
            return
        self._block.__exit__(None, None, None)
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
        steps: The same of a round.
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


def shuffled(n: int, size: int) -> Iterator[Tensor]:
    """Numbers of the rows of full batches, reshuffled every pass."""
    while True:
        for rows in torch.split(torch.randperm(n), size):
            if len(rows) == size:
                yield rows


def repeated(
    step: Callable[..., None], batches: Iterator[tuple[Tensor, ...]]
) -> Callable[[int], None]:
    """A function that takes so many steps, each on the next batch."""

    def run(steps: int) -> None:
        for _ in range(steps):
            step(*next(batches))

    return run
