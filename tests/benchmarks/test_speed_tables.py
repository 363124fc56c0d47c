"""Benchmarks of whole tasks and of the penalty: what is compared, and the rows."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from benchmarks import generative, lazy, penalty
from benchmarks.index_speed import clustered, index_speed
from benchmarks.interactions_speed import (
    PREFIXES,
    interactions_speed,
    ready,
    write_pairs,
)
from benchmarks.ranking_speed import Evaluation
from benchmarks.steps import wdgrl_speed
from benchmarks.time_to_quality import Clock, drawn, quality_row, trained
from datamodules import PlantedInteractions
from experiments.trainers import quiet_trainer
from lightning_modules import BPR
from tests.support.ranking_data import planted


def test_points_lie_in_the_ball_and_near_others() -> None:
    points = clustered(2_000, seed=0)
    norms = points.norm(dim=1)
    assert float(norms.max()) == pytest.approx(1, rel=1e-5)
    assert (points == clustered(2_000, seed=0)).all()


def test_every_kind_has_a_row_and_misses_little() -> None:
    pytest.importorskip("faiss")
    rows = index_speed(4_000)
    assert [row["index"] for row in rows] == ["flat", "hnsw", "ivf"]
    for row in rows:
        assert row["points"] == 4_000
        assert int(str(row["queries per second"])) > 0
        assert float(str(row["recall@10"])) >= 0.98
    assert rows[0]["recall@10"] == "1.0000"


@pytest.mark.parametrize("kind", list(PREFIXES))
def test_a_file_of_pairs_is_read_to_the_first_batch(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pairs.csv"
    write_pairs(path, 4_000, PREFIXES[kind])
    measured = ready(path)
    distinct = set(path.read_text().splitlines()[1:])
    assert measured["pairs"] == len(distinct)
    assert measured["seconds"] > 0


@pytest.mark.long("starts a process")
def test_ids_are_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    (row,) = interactions_speed(2_000, ["text"])
    write_pairs(tmp_path / "pairs.csv", 2_000, PREFIXES["integer"])
    pairs = ready(tmp_path / "pairs.csv")["pairs"]
    assert (row["ids"], row["rows"]) == ("text", 2_000)
    assert row["different pairs"] == pairs  # the same, whatever they are called
    assert float(str(row["seconds"])) >= 0


@pytest.mark.filterwarnings("ignore:OpenBLAS is configured:RuntimeWarning")
def test_all_evaluations_have_the_same_metrics() -> None:
    pytest.importorskip("implicit")
    Evaluation(n_users=50, n_items=150, dim=8).check()


def test_dense_and_sparse_rows_are_timed_with_both() -> None:
    rows = wdgrl_speed(2, steps=2)
    assert [row["rows held"] for row in rows] == ["dense", "sparse"]
    for row in rows:
        ours, theirs = row["steps per second"], row["reference implementation"]
        ratio = float(ours) / float(theirs)
        # however slow the machine is: rates have four digits, their ratio two places
        assert float(row["times as fast"]) == pytest.approx(ratio, rel=2e-3, abs=6e-3)


class Slow(Callback):
    """Half a second of work in each validation."""

    def on_validation_batch_end(self, *_: object) -> None:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass


def test_the_clock_stands_still_in_validation() -> None:
    clock = Clock()
    quiet_trainer(max_epochs=3, limit_val_batches=1, callbacks=[Slow(), clock]).fit(
        BPR(dim=2, ks=(20,)), planted()
    )
    spent = [at for at, _ in clock.curve]
    assert len(spent) == 3
    assert 0 < spent[0] < spent[1] < spent[2] <= clock.total < 1
    clock.curve = [(2.0, 0.15), (5.0, 0.17), (9.0, 0.16)]
    found = quality_row("bpr", clock, 100)
    assert (found["best NDCG@20"], found["to 0.16"], found["to 0.2"]) == (
        *("0.1700", "5 s", "-"),
    )
    (axes,) = drawn({"bpr": clock.curve}).axes
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [2, 5, 9]


@pytest.mark.parametrize(
    ("model", "options", "trainer", "passes"),
    [
        ("BPR", {}, {"max_epochs": 2}, 2),
        ("WRMF", {"sweeps": 5}, {"max_epochs": 1, "limit_train_batches": 1}, 5),
    ],
)
def test_a_pass_over_the_pairs_is_an_epoch_or_a_sweep(
    model: str, options: dict[str, int], trainer: dict[str, int], passes: int
) -> None:
    pytest.importorskip("implicit")
    data = {"class_path": "PlantedInteractions", "init_args": {"batch_size": 100}}
    own = {"dim": 2, "ks": [20], **options}
    parts = {"data": data, "model": {"class_path": model, "init_args": own}}
    clock, pairs = trained({**parts, "trainer": trainer})
    source = PlantedInteractions()
    source.setup("fit")
    assert len(clock.curve) == trainer["max_epochs"]
    assert pairs == passes * len(source.interactions("train"))


def test_the_lazy_penalty_is_one_full_update_in_four(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = iter([10, 5, 3])  # with penalty, without, the generator's
    monkeypatch.setattr(lazy, "count", lambda _: next(costs))
    ratio = lazy.work_ratio(generative.PAIRS["points"])
    assert ratio == pytest.approx((5 * 10 + 3) / (5 * (10 + 3 * 5) / 4 + 3))


def test_quality_is_of_the_seeds_that_all_have() -> None:
    records = [
        {"method": method, "seed": seed, "metrics": dict.fromkeys(lazy.SHOWN, value)}
        for method, value in (("wgan_gp", 2.0), ("wgan_gp_lazy", 3.0))
        for seed in range(2)
    ]
    extra = dict.fromkeys(lazy.SHOWN, 100.0)
    records.append({"method": "wgan_gp", "seed": 2, "metrics": extra})
    labels = {"wgan_gp": "every", "wgan_gp_lazy": "4th", "wgan": "not run yet"}
    every, fourth = lazy._compared(records, labels)
    assert every["exact W1"] == "2 ± 0"
    assert fourth == {
        "penalty": "4th",
        "seeds": "2",
        **dict.fromkeys(lazy.SHOWN.values(), "3 ± 0"),
    }


def test_the_difference_of_gradients_is_relative() -> None:
    weight = torch.ones(2, requires_grad=True)

    def loss(factor: float) -> Any:
        return lambda: factor * weight.square().sum()

    assert penalty._difference(loss(1.0), loss(1.1), [weight]) == pytest.approx(0.1)
