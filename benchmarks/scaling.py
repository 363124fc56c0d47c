"""How a step's time grows: with batch, critic, catalogue and processes."""

from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch

from benchmarks import generative, ranking
from benchmarks.comparison import Row, compare
from benchmarks.fitting import fit
from benchmarks.timing import Spent, Variant, spending
from lightning_modules import WGANGP, MLPCritic, MLPGenerator

BATCHES = (64, 256, 1024, 4096)
DEPTHS = (1, 2, 3, 5, 8)
CATALOGUES = (10**3, 10**4, 10**5, 10**6, 10**7)
WIDTH = 256


def scaling(rounds: int) -> list[Row]:
    """Each first row is what the others are compared with."""
    parts = _batches, _depths, _catalogues, _processes
    return [row for part in parts for row in part(rounds)]


def points_module(depth: int) -> WGANGP:
    """WGAN-GP with a critic of some hidden layers."""
    torch.manual_seed(0)
    critic = MLPCritic((2,), (WIDTH,) * depth)
    return WGANGP(MLPGenerator(2, (2,), (WIDTH,) * 3), critic)


def _fit_points(depth: int, batch: int, steps: int, units: int = 1) -> Spent:
    """A fit whose updates count as so many units."""
    spent = fit(points_module(depth), generative.RandomRows((2,), batch), steps)
    spent.units *= units
    return spent


def _batches(rounds: int) -> list[Row]:
    variants: dict[str, Variant] = {
        f"batch {n:,}": partial(_fit_points, 3, n, max(4, 4096 // n), units=n)
        for n in BATCHES
    }
    case = f"batch (wgan_gp, 25 Gaussians, 3 x {WIDTH})"
    return compare(case, "generated sample", variants, rounds)


def _depths(rounds: int) -> list[Row]:
    variants: dict[str, Variant] = {
        f"{depth} hidden layer{'s' * (depth > 1)}": partial(_fit_points, depth, 256, 20)
        for depth in DEPTHS
    }
    case = f"critic's depth (wgan_gp, width {WIDTH}, batch 256)"
    return compare(case, "generator update", variants, rounds)


def _catalogues(rounds: int) -> list[Row]:
    """Tables of 10^7 rows take 3 GB, so that one catalogue is held at a time."""

    def run(n_items: int) -> Spent:
        shop = ranking.Shop(10_000, n_items, 200_000)
        spent = fit(ranking.module(), shop, 15)
        spent.units *= ranking.BATCH
        return spent

    variants: dict[str, Variant] = {f"{n:,} items": partial(run, n) for n in CATALOGUES}
    case = "catalogue (cml, d 64, U 20, 4,096 pairs)"
    return compare(case, "pair", variants, max(2, rounds // 2))


class _SharedClock(pl.Callback):
    """Writes the time between the first batch and the last to shared memory."""

    def __init__(self, seconds: torch.Tensor) -> None:
        self.seconds, self.spent = seconds, Spent()
        self._block = spending(self.spent)

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """All processes begin together."""
        trainer.strategy.barrier()
        self._block.__enter__()

    def on_train_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """All processes have ended."""
        trainer.strategy.barrier()
        self._block.__exit__(None, None, None)
        if trainer.is_global_zero:
            self.seconds[:] = torch.tensor([self.spent.wall, self.spent.cpu])


def _processes(rounds: int) -> list[Row]:
    def run(devices: int) -> Spent:
        steps, seconds = 20, torch.zeros(2)
        seconds.share_memory_()  # type: ignore[no-untyped-call]
        strategy = "ddp_fork" if devices > 1 else "auto"
        where = {"devices": devices, "strategy": strategy}
        data, clock = generative.RandomRows((2,), 256), _SharedClock(seconds)
        fit(points_module(3), data, steps, callbacks=[clock], **where)
        wall, cpu = seconds.tolist()
        return Spent(wall, cpu * devices, 0, steps * 256 * devices)

    variants: dict[str, Variant] = {
        "1 process": partial(run, 1),
        "2 processes, one thread each": partial(run, 2),
    }
    case = f"processes (wgan_gp, 25 Gaussians, 3 x {WIDTH}, batch 256 each)"
    return compare(case, "generated sample", variants, rounds)
