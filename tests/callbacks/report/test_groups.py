"""Runs of other seeds are one group, and groups are compared by their seeds."""

from pathlib import Path
from statistics import stdev
from typing import Any

import pytest
from scipy.stats import ttest_ind, ttest_rel

from callbacks.report.groups import Group, difference, grouped, pairs
from callbacks.report.run_files import Run

A, B = [0.5, 0.6, 0.4], [0.7, 0.75, 0.5]


def run(name: str, seed: int, value: float, **settings: Any) -> Run:
    """A run as methods, data and places of its own make it."""
    logger = {"class_path": "CSVLogger", "init_args": {"name": f"{name}-{seed}"}}
    grid = {"class_path": "callbacks.SampleGrid", "init_args": {"every_n_steps": seed}}
    config = {
        "seed_everything": seed,
        "trainer": {"logger": logger, "max_steps": 5, "callbacks": [grid]},
        "model": {"class_path": name, "init_args": settings},
        "data": {"class_path": "Digits", "init_args": {"seed": 0}},
    }
    metrics = ("val/accuracy", "val/loss", "val/theirs")
    series = {metric: [(5, value)] for metric in metrics}
    return Run(Path(f"/runs/{name}-{seed}/version_0"), {"last_step": 5}, config, series)


def groups_of(a: list[float], b: list[float], shift: int = 0) -> tuple[Group, Group]:
    first = [run("SourceOnly", seed, value) for seed, value in enumerate(a)]
    second = [run("WDGRL", seed + shift, v, n_critic=5) for seed, v in enumerate(b)]
    one, other = grouped([*first, *second])
    return one, other


def test_places_names_and_observers_part_no_runs() -> None:
    first, second = groups_of(A, B)
    assert len(first.runs) == len(second.runs) == 3
    assert first.name == "SourceOnly-0 and SourceOnly-1 and SourceOnly-2"
    averaged = run("SourceOnly", 3, 1.0)
    ema = {"class_path": "callbacks.WeightEMA"}
    averaged.config["trainer"]["callbacks"].append(ema)  # is validated
    assert len(grouped([*first.runs.values(), averaged])) == 2


def test_groups_in_one_folder_are_named_by_what_differs() -> None:
    runs = [run("WDGRL", 0, 0.5, transfer_weight=w, n_critic=5) for w in (0.1, 1.0)]
    names = [group.name for group in grouped(runs)]
    assert names == ["WDGRL-0, transfer_weight 0.1", "WDGRL-0, transfer_weight 1.0"]


def test_of_two_equal_runs_that_which_went_on_counts() -> None:
    short, long = run("WDGRL", 0, 0.2), run("WDGRL", 0, 0.9)
    short = Run(short.folder, {}, short.config, short.series)
    (group,) = grouped([long, short])
    assert list(group.values("val/accuracy").values()) == [0.9]


@pytest.mark.parametrize(
    ("metric", "verdict"),
    [("val/accuracy", "better"), ("val/loss", "worse"), ("val/theirs", "higher")],
)
def test_a_paired_difference_has_a_sign_and_the_direction_says_who_is_better(
    metric: str, verdict: str
) -> None:
    found = difference(*groups_of(A, B), metric)
    assert found is not None
    assert found.mean == pytest.approx(0.15)
    assert found.deviation == pytest.approx(0.05)
    assert found.p == pytest.approx(ttest_rel(B, A).pvalue)
    assert (found.seeds, found.verdict) == ("3", verdict)


def test_other_seeds_are_compared_by_their_means() -> None:
    found = difference(*groups_of(A, B, shift=7), "val/accuracy")
    assert found is not None
    assert found.mean == pytest.approx(0.15)
    assert found.p == pytest.approx(ttest_ind(B, A, equal_var=False).pvalue)
    assert found.deviation == pytest.approx((stdev(A) ** 2 + stdev(B) ** 2) ** 0.5)
    assert found.seeds == "3 and 3, not the same"
    assert found.verdict == "better, which may be chance"


def test_few_seeds_and_equal_values_are_told() -> None:
    alone = difference(*groups_of([0.5], [0.7]), "val/accuracy")
    assert alone is not None
    assert (alone.deviation, alone.p) == (None, None)
    assert alone.verdict == "better, with too few seeds to be sure"
    same = difference(*groups_of(A, A), "val/accuracy")
    assert same is not None
    assert same.verdict == "no difference"
    assert difference(*groups_of(A, B), "val/none") is None
    nan = difference(*groups_of(A, [float("nan"), 0.7, 0.7]), "val/accuracy")
    assert nan is not None
    assert nan.seeds == "2"


def test_many_groups_are_compared_with_the_first_alone() -> None:
    groups = [Group(str(i), {}) for i in range(5)]
    assert len(list(pairs(groups[:3]))) == 3
    assert {first.name for first, _ in pairs(groups)} == {"0"}
    assert len(list(pairs(groups))) == 4
