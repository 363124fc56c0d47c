"""What the searches found: the best setting lies between others that were tried."""

import inspect
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lightning_modules
from experiments.records import Record
from experiments.tuning.__main__ import searches
from wasserstein_critics.cli.config_files import read_config

CONFIGS = Path(__file__).parents[3] / "configs"
LEAST = {"decay": 0.0, "covariance_weight": 0.0, "popularity_power": 0.0}
"""Ends of what a key may be: nothing lies beyond."""


class Edge(NamedTuple):
    data: str
    method: str
    key: str


KNOWN = {
    Edge("amazon-weights", "deepjdot", "model.label_weight"),
    Edge("amazon-weights", "mmd", "model.transfer_weight"),
    Edge("amazon-weights", "wdgrl", "model.transfer_weight"),
    Edge("citeulike_t", "item_knn", "model.k"),
    Edge("citeulike_t", "implicit_bpr", "model.epochs"),
}
"""Searches that ended at an edge."""


def number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def shipped(data: str, method: str, key: str) -> float | None:
    """What the experiment has, or its class's default."""
    name = data.removesuffix("-weights").replace("-", "_")
    settings = read_config(CONFIGS / method / f"{name}.yaml")
    part, *names = key.split(".")
    found = settings.get(part, {})
    if part != "trainer":
        found = found.get("init_args", {})
    for name in names:
        found = found.get(name, {}) if isinstance(found, dict) else {}
        found = found.get("init_args", found) if isinstance(found, dict) else found
    if number(found) is not None or part != "model" or len(names) > 1:
        return number(found)
    method_class = getattr(lightning_modules, settings["model"]["class_path"])
    for base in method_class.__mro__:
        argument = inspect.signature(base.__init__).parameters.get(names[0])
        if argument is not None:
            return number(argument.default)
    return None


def options_of(record: Record) -> dict[str, str]:
    """Options of a candidate by key."""
    return dict(word.removeprefix("--").split("=", 1) for word in record["options"])


def edges(data: str, method: str, records: list[Record], best: Record) -> list[Edge]:
    """Keys of at least three numbers of which the best setting has the end."""
    tried: dict[str, set[float]] = defaultdict(set)
    for record in records:
        for key, word in options_of(record).items():
            if (value := number(word)) is not None:
                tried[key].add(value)
    found = []
    for key, values in tried.items():
        own = shipped(data, method, key)
        chosen = number(options_of(best).get(key, own))
        every = values | ({own} if own is not None else set())
        ends = {min(every), max(every)} - {LEAST.get(key.split(".")[-1])}
        if len(every) > 2 and chosen in ends:
            found.append(Edge(data, method, key))
    return found


def found_edges() -> set[Edge]:
    """Of every search, by its records."""
    found: set[Edge] = set()
    for data, search in searches().items():
        for method in search.methods:
            ranked = search.ranking([method])
            found |= set(edges(data, method, ranked, ranked[0]) if ranked else [])
    return found


def test_the_best_of_every_search_lies_inside_of_its_range() -> None:
    """A search that ends at an edge says little; one that no longer does is struck."""
    assert found_edges() == KNOWN


def scored(decay: str, score: float) -> Record:
    return {"options": [f"--model.decay={decay}"], "score": score}


@pytest.mark.parametrize(
    ("best", "found"), [("0", False), ("0.05", False), ("0.9", True)]
)
def test_an_edge_is_the_largest_or_smallest_unless_nothing_is_beyond(
    best: str, found: bool
) -> None:
    records = [scored(decay, float(decay == best)) for decay in ("0", "0.05", "0.9")]
    edge = Edge("ml_100k", "bpr", "model.decay")
    ranked = sorted(records, key=lambda record: -record["score"])
    assert edges("ml_100k", "bpr", records, ranked[0]) == [edge] * found


def test_what_ships_counts_as_tried() -> None:
    """BPR on MovieLens-100K has decay 0.01, which is below both candidates."""
    records = [scored("0.05", 0.1), scored("0.2", 0.2), {"options": [], "score": 0.3}]
    edge = Edge("ml_100k", "bpr", "model.decay")
    assert edges("ml_100k", "bpr", records, records[2]) == [edge]
    assert edges("ml_100k", "bpr", records, records[0]) == []
