"""Runs that differ in their seeds alone, and the difference of two such groups."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from scipy.stats import ttest_ind, ttest_rel

from callbacks.report.meanings import better_of
from callbacks.report.run_files import Run
from callbacks.report.settings import measured_by

CHANCE = 0.05
"""The p of a t-test above which a difference may be chance."""
ENOUGH = 3  # seeds, below which no test is made
_NAMED = 3  # settings in a group's name


@dataclass(frozen=True)
class Group:
    """Runs of the same settings with other seeds.

    Args:
        name: What tells them from others.
        runs: By the values of their seeds.
    """

    name: str
    runs: dict[Any, Run]

    def values(self, metric: str) -> dict[Any, float]:
        """Last values by seed, of the runs where they are finite."""
        found = {seed: run.last(metric) for seed, run in self.runs.items()}
        return {s: v for s, v in found.items() if v is not None and math.isfinite(v)}


@dataclass(frozen=True)
class Difference:
    """How much a group is above another in a metric.

    Args:
        mean: Mean difference.
        deviation: Standard deviation over the seeds; None with one.
        seeds: Their number, in words.
        p: Of a t-test that there is none; None with too few seeds.
        verdict: What that says, with the direction that is better.
    """

    mean: float
    deviation: float | None
    seeds: str
    p: float | None
    verdict: str


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Groups, in the order of their first runs; of equal runs the longest counts."""
    found: dict[str, dict[Any, Run]] = defaultdict(dict)
    settings: dict[str, dict[str, Any]] = {}
    for run in runs:
        own, seeds = _settings_and_seeds(run)
        key = repr(sorted(own.items(), key=str))
        settings[key] = own
        before = found[key].get(seeds)
        if before is None or _length(run) >= _length(before):
            found[key][seeds] = run
    names = _names(found, settings)
    return [Group(name, found[key]) for key, name in names.items()]


def _settings_and_seeds(run: Run) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """What decides about a run's values, without seeds; the seeds to pair runs by."""
    flat = measured_by(run.config)
    seeds = {key: v for key, v in flat.items() if "seed" in key.rpartition(".")[2]}
    shared = (str(seeds[k]) for k in sorted(seeds) if not k.startswith("model."))
    return {k: v for k, v in flat.items() if k not in seeds}, tuple(shared)


def _length(run: Run) -> int:
    return int(run.record.get("last_step", -1))


def _names(
    found: dict[str, dict[Any, Run]], settings: dict[str, dict[str, Any]]
) -> dict[str, str]:
    """A name for each group: that of its folders, and settings where that is shared."""
    parents = {
        key: " and ".join(
            dict.fromkeys(run.name.split("/")[0] for run in runs.values())
        )
        for key, runs in found.items()
    }
    names = {}
    for key, parent in parents.items():
        alike = [settings[other] for other in found if parents[other] == parent]
        names[key] = parent + _what_differs(settings[key], alike)
    shared = {name for name in names.values() if [*names.values()].count(name) > 1}
    return {
        key: f"{name} ({next(iter(found[key].values())).name})" * (name in shared)
        or name
        for key, name in names.items()
    }


def _what_differs(own: dict[str, Any], alike: Sequence[dict[str, Any]]) -> str:
    """Settings that others of the same name have other values of."""
    keys = {key for settings in alike for key in settings}
    keys = {k for k in keys if len({str(one.get(k)) for one in alike}) > 1}
    said = [f"{k.rpartition('.')[2]} {own.get(k, '-')}" for k in sorted(keys)[:_NAMED]]
    return ", ".join(["", *said])


def metrics_of(groups: Sequence[Group]) -> list[str]:
    """Names of what was tested, then of what was validated."""
    runs = [run for group in groups for run in group.runs.values()]
    names = {name for run in runs for name in run.series}
    return sorted(n for n in names if n.startswith(("val/", "test/")))


def difference(first: Group, second: Group, metric: str) -> Difference | None:
    """The second group's values minus the first's, by seed where both have it."""
    a, b = first.values(metric), second.values(metric)
    if not a or not b:
        return None
    seeds = sorted(a.keys() & b.keys(), key=str)
    if seeds or len(a) < 2 or len(b) < 2:
        return _paired(a, b, seeds, metric)
    spread = math.sqrt(stdev(a.values()) ** 2 + stdev(b.values()) ** 2)
    enough = min(len(a), len(b)) >= ENOUGH and spread
    x, y = [*a.values()], [*b.values()]
    p = float(ttest_ind(y, x, equal_var=False).pvalue) if enough else None
    mean, number = fmean(y) - fmean(x), f"{len(a)} and {len(b)}, not the same"
    return Difference(mean, spread, number, p, _verdict(metric, mean, p))


def _paired(
    a: dict[Any, float], b: dict[Any, float], seeds: Sequence[Any], metric: str
) -> Difference:
    pairs = [(a[s], b[s]) for s in seeds] or [(fmean(a.values()), fmean(b.values()))]
    differences = [y - x for x, y in pairs]
    spread = stdev(differences) if len(differences) > 1 else None
    p = None
    if len(differences) >= ENOUGH and spread:
        p = float(ttest_rel([y for _, y in pairs], [x for x, _ in pairs]).pvalue)
    mean, number = fmean(differences), f"{len(seeds)}" if seeds else "other ones"
    certain = spread == 0 and len(differences) >= ENOUGH and mean != 0
    verdict = _verdict(metric, mean, 0.0 if certain else p)
    return Difference(mean, spread, number, p, verdict)


def _verdict(metric: str, mean: float, p: float | None) -> str:
    """What a difference says."""
    if mean == 0:
        return "no difference"
    side = "higher" if mean > 0 else "lower"
    if better := better_of(metric):
        side = "better" if side == better else "worse"
    if p is None:
        return f"{side}, with too few seeds to be sure"
    return side if p <= CHANCE else f"{side}, which may be chance"


def pairs(groups: Sequence[Group], most: int = 3) -> Iterator[tuple[Group, Group]]:
    """Groups to compare: all with all if they are few, else others with the first."""
    few = len(groups) <= most
    for i, first in enumerate(groups if few else groups[:1]):
        for second in groups[i + 1 :]:
            yield first, second
