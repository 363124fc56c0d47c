"""Our Trainer beside a bare loop and a reference; and how images are read."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from benchmarks import adaptation, generative, generative_loops, images, ranking
from benchmarks.comparison import Goal, Row, compare, rows
from benchmarks.fitting import fit, fit_beside, watched
from benchmarks.loops import repeated
from benchmarks.timing import Spent, Variant, summaries
from lightning_modules import WDGRL

# A method, its networks, the generator updates of a round, the most that the Trainer
# may take by the bare loop, and the least that the reference should take by ours.
CASES: list[tuple[generative.Method, str, int, float, float]] = [
    ("gan", "points", 15, 1.10, 1.2),
    ("wgan", "points", 6, 1.10, 1.2),
    ("wgan_gp", "points", 3, 1.10, 1.12),
    ("wgan_gp", "digits", 10, 1.30, 1.12),
    ("wgan_gp", "mnist", 3, 1.05, 1.12),
]
SHORTER = 4  # rounds beside a loop by hand: so many times as many, each as much shorter


def training(rounds: int) -> list[Row]:
    """`trainer.fit` beside the same arithmetic in a bare loop."""
    results, short = [], rounds * SHORTER + 1  # the first does not count
    for method, name, steps, most, _ in CASES:
        results += _generative(method, name, steps, Goal(most), short)
    data = adaptation.Reviews(dense=True)
    bare, ours = adaptation.Loop.of(data), adaptation.module()
    results += _beside_bare(
        f"wdgrl: {adaptation.NETWORKS}",
        "encoder update",
        fit_beside(repeated(bare.step, bare.batches()), ours, data, 30, short),
        Goal(1.05),
    )
    return results + _ranking(short)


def _generative(
    method: generative.Method, name: str, steps: int, goal: Goal, rounds: int
) -> list[Row]:
    pair = generative.PAIRS[name]
    bare = generative_loops.bare_critic, generative_loops.bare_generator
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {}
        if name == "digits":  # a round is as long as one of the intervals of logging
            options, steps = watched(Path(folder)), 50
        loop = generative_loops.Loop.of(method, pair)
        spent = _beside(loop, pair, bare, steps, rounds, **options)
    seen = ", with bar and logging" if options else ""
    case = f"{method}: {pair.described}, batch {pair.batch}{seen}"
    return _beside_bare(case, "generator update", spent, goal)


def _beside(
    loop: generative_loops.Loop,
    pair: generative.Pair,
    steps_of: tuple[generative_loops.Step, generative_loops.Step],
    steps: int,
    rounds: int,
    **options: Any,
) -> tuple[list[Spent], list[Spent]]:
    """A fit of our module beside a loop by hand."""
    module: pl.LightningModule = generative.module(loop.method, pair)
    data = generative.RandomRows(pair.shape, pair.batch)
    by_hand = generative_loops.updates(loop, *steps_of)
    return fit_beside(by_hand, module, data, steps, rounds, **options)


def _beside_bare(
    case: str, unit: str, spent: tuple[list[Spent], list[Spent]], goal: Goal
) -> list[Row]:
    ours, bare = spent
    times = summaries({"bare loop": bare, "trainer.fit": ours})
    return rows(case, unit, times, {"trainer.fit": goal})


def _ranking(rounds: int) -> list[Row]:
    shop = ranking.Shop(100_000, 1_000_000)
    bare = ranking.Loop.of(shop)
    by_hand = repeated(bare.step, bare.batches())
    spent = fit_beside(by_hand, ranking.module(), shop, 15, rounds)
    case = "cml: d 64, U 20, 4,096 pairs, 10^6 items"
    return _beside_bare(case, "update", spent, Goal(1.10))


def reference(rounds: int) -> list[Row]:
    """`trainer.fit` beside the method as published scripts write it."""
    results, short = [], rounds * SHORTER + 1  # the first does not count
    steps_of = generative_loops.reference_critic, generative_loops.reference_generator
    for method, name, steps, _, least in CASES:
        pair = generative.PAIRS[name]
        loop = generative_loops.Loop.of(method, pair, reference=True)
        ours, theirs = _beside(loop, pair, steps_of, steps, short)
        times = summaries({"trainer.fit": ours, "reference": theirs})
        case = f"{method}: {pair.described}, batch {pair.batch}"
        goals = {"reference": Goal(least=least)}
        results += rows(case, "generator update", times, goals)
    data = adaptation.Reviews(dense=True)
    methods = {"trainer.fit": WDGRL, "reference": adaptation.ReferenceWDGRL}
    variants: dict[str, Variant] = {
        name: partial(fit, adaptation.module(method), data, 60)
        for name, method in methods.items()
    }
    case, goals = f"wdgrl: {adaptation.NETWORKS}", {"reference": Goal(least=1.8)}
    return results + compare(case, "encoder update", variants, rounds, goals)


def loading(rounds: int) -> list[Row]:
    """Images a second, without networks."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        images.write_images(Path(folder))
        for workers in (0, 2):
            variants = images.loading(Path(folder), workers, batches=150)
            case = f"60,000 images of 28 x 28, batch 64, {workers} workers"
            goals = {"torchvision": Goal(least=30)} if workers == 0 else {}
            results += compare(case, "image", variants, rounds, goals)
    return results
