"""The penalty on every fourth critic update: what it saves, and what it costs."""

from collections.abc import Iterable, Iterator
from functools import partial
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks import generative
from benchmarks.fitting import fit
from benchmarks.flops import count
from benchmarks.records import Goal, records, rows
from benchmarks.timing import Way
from experiments.results.runs import read_records
from lightning_modules import WGANGP

EVERY, SEEDS = 4, 3
SHOWN = {"wasserstein": "exact W1", "modes": "modes", "high_quality": "high quality"}


def lazy(rounds: int) -> list[dict[str, Any]]:
    """Times of a generator update with its critic updates."""
    found = []
    for name, steps in (("points", 20), ("mnist", 12)):
        pair = generative.PAIRS[name]
        data = generative.RandomRows(pair.shape, pair.batch)
        ways: dict[str, Way] = {
            label: partial(fit, _module(pair, every), data, steps)
            for label, every in (("every 4th", EVERY), ("every", 1))
        }
        goals = {"every": Goal(least=1.5)}
        case = f"penalty: {pair.described}, batch {pair.batch}"
        kept = records(rows(case, "generator update", ways, rounds, goals))
        kept[1]["ratio of the products' work"] = f"{work_ratio(pair):.2f}"
        found += kept
    return found


def work_ratio(pair: generative.Pair) -> float:
    """Operations of matrix products and convolutions, by those of the lazy penalty.

    The ratio of times can't be much above it, unless the time of something else goes.
    """

    def counted(method: generative.Method, step: generative.Step) -> int:
        game = generative.Game.of(method, pair)
        real = next(game.batches())
        return count(lambda: step(game, real))

    n = generative.N_CRITIC["wgan_gp"]
    full = counted("wgan_gp", generative.bare_critic)
    without = counted("wgan", generative.bare_critic)  # clipping has no products
    generator = counted("wgan_gp", generative.bare_generator)
    seldom = full / EVERY + without * (1 - 1 / EVERY)
    return (n * full + generator) / (n * seldom + generator)


def _module(pair: generative.Pair, every: int) -> WGANGP:
    torch.manual_seed(0)
    return WGANGP(*pair.networks(), penalty_every=every)


def quality() -> list[dict[str, Any]]:
    """What the generators of both have learnt on the grid of 25 Gaussians."""
    cells = [c for c in read_records("grid25") if c["seed"] < SEEDS]
    return list(_compared(cells, {"wgan_gp": "every", "wgan_gp_lazy": "every 4th"}))


def _compared(
    cells: Iterable[dict[str, Any]], methods: dict[str, str]
) -> Iterator[dict[str, Any]]:
    kept = list(cells)
    each = [{c["seed"] for c in kept if c["method"] == method} for method in methods]
    shared = set.intersection(*each)
    for method, label in methods.items():
        mine = [c for c in kept if c["method"] == method and c["seed"] in shared]
        if len(mine) < 2:
            continue
        row: dict[str, Any] = {"penalty": label, "seeds": str(len(mine))}
        for key, heading in SHOWN.items():
            values = [c["metrics"][key] for c in mine]
            row[heading] = f"{mean(values):.4g} ± {stdev(values):.2g}"
        yield row
