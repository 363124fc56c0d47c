"""Several runs beside each other: what they reached, who is better, their settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from callbacks.report.groups import Group, difference, grouped, metrics_of, pairs
from callbacks.report.meanings import better_of
from callbacks.report.run_files import Run
from callbacks.report.settings import ABSENT, changes_training, settings_of


@dataclass(frozen=True)
class Comparison:
    """Tables of a report of several runs; the first row of each names its columns.

    Args:
        means: Last values of what was tested and validated, a row for each metric and
            a column for each group of runs that differ in their seeds alone: mean and
            standard deviation.
        pairs: Differences of two groups in each metric, by seed: mean, standard
            deviation, p of a t-test, and which is better.
        metrics: Last values of each run.
        settings: Settings that are not the same in all runs and may change training.
    """

    means: list[list[str]]
    pairs: list[list[str]]
    metrics: list[list[str]]
    settings: list[list[str]]


def comparison(runs: Sequence[Run]) -> Comparison:
    """Tables that compare runs."""
    names, groups = [run.name for run in runs], grouped(runs)
    columns = [f"{group.name} ({_counted(group)})" for group in groups]
    rows = list(_pairs(groups))
    heading = ["metric", "better", "difference", "seeds", "p", "so the former is"]
    heading[2:2] = ["of", "against"]
    return Comparison(
        means=[["metric", "better", *columns], *_means(groups)],
        pairs=[heading, *rows] if rows else [],
        metrics=[["metric", *names], *_metrics(runs, groups)],
        settings=[["setting", *names], *_settings(runs)],
    )


def _counted(group: Group) -> str:
    n = len(group.runs)
    return f"{n} seeds" if n > 1 else "1 seed"


def _means(groups: Sequence[Group]) -> Iterator[list[str]]:
    for name in metrics_of(groups):
        values = (list(group.values(name).values()) for group in groups)
        yield [name, better_of(name), *(_mean(found) for found in values)]


def _mean(values: Sequence[float]) -> str:
    """Mean and deviation, as far as there are values.

    >>> [_mean(values) for values in ([], [0.5], [0.5, 0.7])]
    ['-', '0.5', '0.6 ± 0.14']
    """
    if not values:
        return ABSENT
    spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.5g}{spread}"


def _pairs(groups: Sequence[Group]) -> Iterator[list[str]]:
    for first, second in pairs(groups):
        for name in metrics_of([first, second]):
            found = difference(first, second, name)
            if found is None:
                continue
            spread = "" if found.deviation is None else f" ± {found.deviation:.2g}"
            p = ABSENT if found.p is None else f"{found.p:.3g}"
            names = (name, better_of(name), second.name, first.name)
            shown = f"{found.mean:+.3g}{spread}"
            yield [*names, shown, found.seeds, p, found.verdict]


def _metrics(runs: Sequence[Run], groups: Sequence[Group]) -> Iterator[list[str]]:
    for name in metrics_of(groups):
        values = [run.last(name) for run in runs]
        yield [name, *(ABSENT if v is None else f"{v:.5g}" for v in values)]


def _settings(runs: Sequence[Run]) -> Iterator[list[str]]:
    flat = [settings_of(run.config) for run in runs]
    for key in sorted({key for settings in flat for key in settings}):
        values = [str(settings.get(key, ABSENT)) for settings in flat]
        if len(set(values)) > 1 and changes_training(key):
            yield [key, *values]
