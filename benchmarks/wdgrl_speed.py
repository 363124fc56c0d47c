"""WDGRL beside a reference implementation, on dense and on sparse rows.

Both run in the same Trainer with the same optimizer, in turn and several rounds, on
rows as wide and as full as the Amazon reviews (5,000 columns, 70 of them filled).
"""

from functools import partial

from benchmarks import adaptation
from benchmarks.fitting import fit
from benchmarks.timing import Variant, alternate
from lightning_modules import WDGRL


def wdgrl_speed(rounds: int, steps: int = 250) -> list[dict[str, str]]:
    """Encoder updates per second, medians over the rounds."""
    table = []
    for held in ("dense", "sparse"):
        data = adaptation.Reviews(dense=held == "dense")
        variants: dict[str, Variant] = {
            method.__name__: partial(fit, adaptation.module(method), data, steps)
            for method in (WDGRL, adaptation.ReferenceWDGRL)
        }
        ours, theirs = alternate(variants, rounds, held).values()
        table.append(
            {
                "rows held": held,
                "steps per second": f"{1 / ours.wall:.1f}",
                "reference implementation": f"{1 / theirs.wall:.1f}",
                "times as fast": f"{theirs.wall / ours.wall:.2f}",
            }
        )
    return table
