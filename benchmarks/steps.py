"""Our Trainer beside a bare loop and beside a reference implementation."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import adaptation, generative, generative_loops, ranking
from benchmarks.comparison import Goal, Row, compare, rows
from benchmarks.fitting import fit, fit_beside, repeated, watched
from benchmarks.timing import Spent, Variant, alternate, summaries
from lightning_modules import WDGRL


class Case(NamedTuple):
    """A method and its networks.

    Attributes:
        method: The method.
        networks: Name of its pair of networks.
        steps: Generator updates of a round.
        most: What the Trainer may take at most, by the bare loop.
        least: What the reference should take at least, by ours.
    """

    method: generative.Method
    networks: str
    steps: int
    most: float
    least: float


CASES = (
    Case("gan", "points", 15, 1.10, 1.2),
    Case("wgan", "points", 6, 1.10, 1.2),
    Case("wgan_gp", "points", 3, 1.10, 1.12),
    Case("wgan_gp", "digits", 10, 1.30, 1.12),
    Case("wgan_gp", "mnist", 3, 1.05, 1.12),
)
SHORTER = 4  # rounds beside a loop by hand: so many times as many, each as much shorter


def training(rounds: int) -> list[Row]:
    """`trainer.fit` beside the same arithmetic in a bare loop."""
    short = rounds * SHORTER + 1  # the first does not count
    results = [row for case in CASES for row in _beside_loop(case, short)]
    ways = {
        "": adaptation.slopes_by_torch,
        ", a loop with our derivatives": adaptation.our_slopes,
    }
    for way, slopes in ways.items():
        title = f"wdgrl: {adaptation.NETWORKS}{way}"
        spent = _wdgrl_beside(slopes, short)
        results += _beside_bare(title, "encoder update", spent, Goal(1.05))
    return results + _ranking(short)


def _wdgrl_beside(slopes: Any, rounds: int) -> tuple[list[Spent], list[Spent]]:
    data = adaptation.Reviews(dense=True)
    bare = adaptation.Loop.of(data, slopes)
    by_hand = repeated(bare.step, bare.batches())
    return fit_beside(by_hand, adaptation.module(), data, 30, rounds)


def _beside_loop(case: Case, rounds: int) -> list[Row]:
    pair, steps, seen = generative.PAIRS[case.networks], case.steps, ""
    with tempfile.TemporaryDirectory() as folder:
        options = {}
        if case.networks == "digits":  # a round is as long as an interval of logging
            options, steps, seen = watched(Path(folder)), 50, ", with bar and logging"
        spent = _fit_beside(case, steps, rounds, **options)
    title = f"{case.method}: {pair.described}, batch {pair.batch}{seen}"
    return _beside_bare(title, "generator update", spent, Goal(case.most))


def _fit_beside(
    case: Case, steps: int, rounds: int, *, reference: bool = False, **options: Any
) -> tuple[list[Spent], list[Spent]]:
    """A fit of our module beside a loop by hand."""
    method, pair, loops = case.method, generative.PAIRS[case.networks], generative_loops
    by_hand = loops.updates(
        loops.Loop.of(method, pair, reference),
        loops.reference_critic if reference else loops.bare_critic,
        loops.reference_generator if reference else loops.bare_generator,
    )
    data = generative.RandomRows(pair.shape, pair.batch)
    module = generative.module(method, pair)
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
    for case in CASES:
        pair = generative.PAIRS[case.networks]
        ours, theirs = _fit_beside(case, case.steps, short, reference=True)
        times = summaries({"trainer.fit": ours, "reference": theirs})
        title = f"{case.method}: {pair.described}, batch {pair.batch}"
        goals = {"reference": Goal(least=case.least)}
        results += rows(title, "generator update", times, goals)
    title, goals = f"wdgrl: {adaptation.NETWORKS}", {"reference": Goal(least=1.8)}
    variants = _wdgrl(adaptation.Reviews(dense=True), 60)
    return results + compare(title, "encoder update", variants, rounds, goals)


def _wdgrl(data: adaptation.Reviews, steps: int) -> dict[str, Variant]:
    methods = {"trainer.fit": WDGRL, "reference": adaptation.ReferenceWDGRL}
    return {
        name: partial(fit, adaptation.module(method), data, steps)
        for name, method in methods.items()
    }


def wdgrl_speed(rounds: int, steps: int = 250) -> list[dict[str, str]]:
    """Encoder updates per second on dense and on sparse rows, medians over the rounds.

    Both run in the same Trainer with the same optimizer, on rows as wide and as full as
    the Amazon reviews (5,000 columns, 70 of them filled).
    """
    table = []
    for held in ("dense", "sparse"):
        variants = _wdgrl(adaptation.Reviews(dense=held == "dense"), steps)
        ours, theirs = alternate(variants, rounds, held).values()
        table.append(
            {
                "rows held": held,
                "steps per second": f"{1 / ours.wall:.4g}",
                "reference implementation": f"{1 / theirs.wall:.4g}",
                "times as fast": f"{theirs.wall / ours.wall:.2f}",
            }
        )
    return table
