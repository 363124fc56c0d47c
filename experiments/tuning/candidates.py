"""Candidates for the settings of each data set's methods, from candidates.yaml."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml

SOURCE = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
RING = ("books-dvd", "dvd-electronics", "electronics-kitchen", "kitchen-books")


@dataclass(frozen=True)
class Candidate:
    """A setting: a method's experiment with options on top."""

    method: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdaptationCandidate(Candidate):
    """Options on top of configs/<method>/<config>.yaml, for some steps.

    Without ``tasks`` all of the table's are trained.
    """

    config: str = "amazon"
    steps: int = 2000
    tasks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1)


def adaptation_candidates(data: str) -> dict[str, AdaptationCandidate]:
    """Candidates for WDGRL by their changes, or for all methods by their weights."""
    search = SOURCE["adaptation"][data]
    return {
        **_changed(**search.get("wdgrl", {})),
        **_weighted(search.get("weights", {})),
    }


def _changed(
    config: str = "", steps: int = 0, candidates: Iterable[str] = ()
) -> dict[str, AdaptationCandidate]:
    changes = SOURCE["changes"]
    return {
        name: AdaptationCandidate(
            "wdgrl",
            tuple(o for w in name.split("-") for o in changes[w]),
            config,
            steps,
        )
        for name in candidates
    }


def _weighted(
    weights: Mapping[str, Mapping[str, Iterable[float]]],
) -> dict[str, AdaptationCandidate]:
    return {
        f"{method}-{value:g}": AdaptationCandidate(
            method, (f"--model.{key}={value}",), tasks=RING, seeds=(0,)
        )
        for method, keys in weights.items()
        for key, values in keys.items()
        for value in values
    }


def recommendation_candidates(data: str) -> dict[str, Candidate]:
    """The experiments of the rankers, and each with its changes."""
    groups = SOURCE["recommendation"][data]
    return {name: candidate for group in groups for name, candidate in _vary(**group)}


def _vary(
    method: str, changes: Iterable[str], budget: str = ""
) -> Iterator[tuple[str, Candidate]]:
    """The experiment as shipped, then each change, with ``budget`` before it."""
    for change in ("", *(c for several in changes for c in combinations(several))):
        words = [word.split("=") for word in change.split()]
        name = "-".join((method, *(f"{k.rpartition('.')[2]}_{v}" for k, v in words)))
        options = [_option(*word.split("=")) for word in f"{budget} {change}".split()]
        yield name, Candidate(method, tuple(options))


def combinations(changes: str) -> Iterator[str]:
    """Every combination of values that commas separate.

    >>> list(combinations("a=1,2 b=3"))
    ['a=1 b=3', 'a=2 b=3']
    """
    words = [word.split("=") for word in changes.split()]
    choices = [
        [f"{key}={value}" for value in values.split(",")] for key, values in words
    ]
    return (" ".join(choice) for choice in product(*choices))


def _option(key: str, value: str) -> str:
    if key == "class":
        return f"--model=experiments.tuning.rejected_variants.{value}"
    of_model = not key.startswith(("data.", "trainer."))
    return f"--{'model.' * of_model}{key}={value}"
