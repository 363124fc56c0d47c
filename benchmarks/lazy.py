"""The penalty on every fourth critic update: what it saves, and what it costs."""

from collections.abc import Iterator, Sequence
from functools import partial
from statistics import mean, stdev

import torch

from benchmarks import generative, generative_loops
from benchmarks.comparison import Goal, Row, compare
from benchmarks.fitting import fit
from benchmarks.timing import Variant
from benchmarks.work import count
from experiments.records import Record
from experiments.results.runs import read_records
from lightning_modules import WGANGP

EVERY, SEEDS = 4, 3
LABELS = {
    "wgan_gp": "every",
    "wgan_gp_lazy": "every 4th",
    "wgan_gp_lazy_rescaled": "every 4th, Adam rescaled",
}
SHOWN = {"wasserstein": "exact W1", "modes": "modes", "high_quality": "high quality"}


def lazy(rounds: int) -> list[Row]:
    """Times of a generator update with its critic updates."""
    results = []
    for name, steps in (("points", 20), ("mnist", 12)):
        pair = generative.PAIRS[name]
        data = generative.RandomRows(pair.shape, pair.batch)
        variants: dict[str, Variant] = {
            label: partial(fit, _module(pair, every), data, steps)
            for label, every in (("every 4th", EVERY), ("every", 1))
        }
        goals = {"every": Goal(least=1.5)}
        case = f"penalty: {pair.described}, batch {pair.batch}"
        rows = compare(case, "generator update", variants, rounds, goals)
        rows[1]["ratio of the products' work"] = f"{work_ratio(pair):.2f}"
        results += rows
    return results


def work_ratio(pair: generative.Pair) -> float:
    """Operations of matrix products and convolutions, by those of the lazy penalty.

    The ratio of times can't be much above it, unless the time of something else goes.
    """

    def counted(method: generative.Method, step: generative_loops.Step) -> int:
        loop = generative_loops.Loop.of(method, pair)
        real = next(loop.batches())
        return count(lambda: step(loop, real))

    n = generative.N_CRITIC["wgan_gp"]
    full = counted("wgan_gp", generative_loops.bare_critic)
    without = counted("wgan", generative_loops.bare_critic)  # clipping has no products
    generator = counted("wgan_gp", generative_loops.bare_generator)
    seldom = full / EVERY + without * (1 - 1 / EVERY)
    return (n * full + generator) / (n * seldom + generator)


def _module(pair: generative.Pair, every: int) -> WGANGP:
    torch.manual_seed(0)
    return WGANGP(*pair.networks(), penalty_every=every)


def quality() -> list[Row]:
    """Quality of the generators of all three on the grid of 25 Gaussians."""
    records = [r for r in read_records("grid25") if r["seed"] < SEEDS]
    return list(_compared(records, LABELS))


def _compared(records: Sequence[Record], methods: dict[str, str]) -> Iterator[Row]:
    each = ({r["seed"] for r in records if r["method"] == method} for method in methods)
    run = [seeds for seeds in each if seeds]
    shared = set.intersection(*run) if run else set()
    for method, label in methods.items():
        own = [r for r in records if r["method"] == method and r["seed"] in shared]
        if len(own) < 2:
            continue
        row: Row = {"penalty": label, "seeds": str(len(own))}
        for key, heading in SHOWN.items():
            values = [record["metrics"][key] for record in own]
            row[heading] = f"{mean(values):.4g} ± {stdev(values):.2g}"
        yield row
