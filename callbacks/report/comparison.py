"""Several runs beside each other: final metrics, their differences, their settings."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev
from typing import Any, TypeGuard

from scipy.stats import ttest_rel

from callbacks.report.run_files import Run
from callbacks.report.settings import ABSENT, flattened, settings_of


@dataclass(frozen=True)
class Comparison:
    """Tables of a report of several runs; the first row of each names its columns.

    Args:
        metrics: Last values of what was validated and tested, a row for each metric.
        settings: Settings that are not the same in all runs.
        pairs: Differences between settings that ran with the same seeds, if there are
            some: mean, standard deviation, and p of a paired t-test.
    """

    metrics: list[list[str]]
    settings: list[list[str]]
    pairs: list[list[str]]


def comparison(runs: Sequence[Run]) -> Comparison:
    """Tables that compare runs."""
    names = [run.name for run in runs]
    return Comparison(
        metrics=[["metric", *names], *_metrics(runs)],
        settings=[["setting", *names], *_settings(runs)],
        pairs=list(_pairs(runs)),
    )


def _evaluated(runs: Sequence[Run]) -> list[str]:
    names = {name for run in runs for name in run.series}
    return sorted(name for name in names if name.startswith(("val/", "test/")))


def _metrics(runs: Sequence[Run]) -> Iterator[list[str]]:
    """Last values, and their differences from those of the first run."""
    for name in _evaluated(runs):
        first, *_ = values = [run.last(name) for run in runs]
        yield [name, *(_value(value, first, i) for i, value in enumerate(values))]


def _value(value: float | None, first: float | None, column: int) -> str:
    if value is None:
        return ABSENT
    shown = f"{value:.5g}"
    return shown if first is None or not column else f"{shown} ({value - first:+.3g})"


def _settings(runs: Sequence[Run]) -> Iterator[list[str]]:
    flat = [settings_of(run.config) for run in runs]
    for key in sorted({key for settings in flat for key in settings}):
        values = [str(settings.get(key, ABSENT)) for settings in flat]
        if len(set(values)) > 1:
            yield [key, *values]


# Pairs --------------------------------------------------------------------------------


def _pairs(runs: Sequence[Run]) -> Iterator[list[str]]:
    """Comparisons of groups of runs that differ in more than the seed.

    Runs of a group differ in their seeds alone; two groups are compared on the seeds
    that both have, at least three of them.
    """
    groups = _groups(runs)
    rows = [
        row
        for first, second in combinations(groups, 2)
        for row in _differences(groups[first], groups[second])
    ]
    if rows:
        yield ["metric", "runs", "against", "seeds", "difference", "p, paired t-test"]
        yield from rows


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _groups(runs: Sequence[Run]) -> dict[str, dict[Any, Run]]:
    groups: dict[str, dict[Any, Run]] = defaultdict(dict)
    for run in runs:
        settings = {
            key: value
            for key, value in flattened(run.config)
            if "seed" not in key.rpartition(".")[2]
        }
        groups[repr(sorted(settings.items(), key=str))][_seed(run)] = run
    return groups


def _seed(run: Run) -> Any:
    return run.config.get("seed_everything")


def _differences(first: dict[Any, Run], second: dict[Any, Run]) -> Iterator[list[str]]:
    seeds = sorted(first.keys() & second.keys(), key=str)
    names = _evaluated([*first.values(), *second.values()])
    for name in names if len(seeds) >= 3 else ():
        sides = [
            [group[seed].last(name) for seed in seeds] for group in (first, second)
        ]
        a, b = ([v for v in side if _is_number(v)] for side in sides)
        if len(a) != len(seeds) or len(b) != len(seeds):
            continue
        differences = [y - x for x, y in zip(a, b, strict=True)]
        p = float(ttest_rel(b, a).pvalue) if stdev(differences) else math.nan
        shown = f"{fmean(differences):+.3g} ± {stdev(differences):.2g}"
        labels = (group[seeds[0]].name for group in (second, first))
        yield [name, *labels, str(len(seeds)), shown, f"{p:.3g}"]
