"""Batches and splits of interactions."""

from pathlib import Path

import torch

from lightning_modules.data_contracts.contracts import InteractionBatch
from tests.support.pair_files import interactions, pairs, written


def test_other_ids_or_training_pairs_have_other_fingerprints(tmp_path: Path) -> None:
    rows = [f"{user},{item}" for user in (1, 2) for item in range(9)]
    path = written(tmp_path / "own.csv", "user,item", *rows)
    renamed = written(tmp_path / "b.csv", "user,item", *rows[:9], "3,8", "3,7")
    one, again, other = (
        interactions(path, split_seed=n).fingerprints for n in (0, 0, 1)
    )
    assert one == again
    assert one["users and items"] == other["users and items"]
    assert one["training pairs"] != other["training pairs"]
    moved = interactions(renamed).fingerprints
    assert moved["users and items"] != one["users and items"]


def test_batches_are_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    rows = [f"{user},{item}" for user in range(20) for item in range(10)]
    path = written(tmp_path / "own.csv", "user,item", *rows)
    alone, helped = (
        interactions(path, batch_size=16, num_workers=n).train_dataloader()
        for n in (0, 1)
    )
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(torch.stack(one), torch.stack(other))


def test_unions_hold_the_pairs_of_their_splits(tmp_path: Path) -> None:
    rows = [f"{user},{item}" for user in range(9) for item in range(10)]
    path = written(tmp_path / "own.csv", "user,item", *rows)
    data = interactions(path, batch_size=8)
    assert data.kind == "interactions"
    assert pairs(data, "seen") == pairs(data, "train", "val")
    assert pairs(data, "all") == pairs(data, "train", "val", "test")
    batch = next(iter(data.train_dataloader()))
    assert type(batch) is InteractionBatch
    assert data.interactions("train").contain(*batch).all()
