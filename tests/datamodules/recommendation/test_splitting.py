"""Splits by shares, by the last pairs and by time."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.recommendation.splitting import TEST, TRAIN, VAL, PairSplit, Split
from lightning_modules.data_contracts.user_items import UserItems
from tests.support.pair_files import (
    TABLES,
    interactions,
    of_user,
    table_of,
    written,
)


def test_one_user_with_everything_is_cut_by_shares(tmp_path: Path) -> None:
    rows = [f"1,{item}" for item in range(10)]
    data = interactions(written(tmp_path / "own.csv", "user,item", *rows))
    assert [len(part) for part in of_user(data, 1)] == [7, 1, 2]


@given(
    TABLES,
    st.sampled_from(["ratio", "leave_one_out"]),
    st.floats(0, 0.49),
    st.floats(0.01, 0.5),
)
def test_each_user_keeps_a_training_pair_and_gives_the_shares(
    rows: list[tuple[int, int, int]], split: Split, val: float, test: float
) -> None:
    table = table_of(rows)
    parts = PairSplit(split, val, test).parts(table)
    assert set(parts.tolist()) <= {TRAIN, VAL, TEST}
    for user, n in enumerate(table.counts):
        own = np.bincount(parts[table.users == user], minlength=3)
        assert own.sum() == n
        assert own[TRAIN] >= 1
        if split == "leave_one_out":
            assert own[VAL] == own[TEST] == (n >= 3)
        else:
            assert abs(own[TEST] - test * n) <= 0.5 + 1e-9
            assert own[VAL] <= val * n + 0.5 + 1e-9


@given(TABLES, st.floats(0, 0.49), st.floats(0.01, 0.5), st.booleans())
def test_no_test_pair_is_as_early_as_a_training_pair(
    rows: list[tuple[int, int, int]], val: float, test: float, cold: bool
) -> None:
    table = table_of(rows)
    parts = PairSplit("time", val, test, keep_cold_users=cold).parts(table)
    assert table.times is not None
    for early, late in ((TRAIN, VAL), (TRAIN, TEST), (VAL, TEST)):
        before, after = table.times[parts == early], table.times[parts == late]
        assert before.max(initial=-1) < after.min(initial=99)
    if cold:
        assert set(parts.tolist()) <= {TRAIN, VAL, TEST}
    known = set(table.users[parts == TRAIN].tolist())
    assert cold or set(table.users[parts == TEST].tolist()) <= known


def test_what_is_made_without_sorting_is_what_sorting_makes(tmp_path: Path) -> None:
    rows = [
        f"{user},{(user * 7 + item) % 31}" for user in range(9) for item in range(8)
    ]
    data = interactions(written(tmp_path / "own.csv", "user,item", *rows))
    for part in (
        data.interactions("train"),
        data.interactions("val"),
        data.interactions("test"),
    ):
        again = UserItems.from_pairs(part.users, part.items, 9, data.n_items)
        assert torch.equal(part.starts, again.starts)
        assert torch.equal(part.items, again.items)


def test_of_a_users_pairs_of_one_time_the_last_ones_are_drawn_by_lot() -> None:
    table = table_of([(0, item, 7) for item in range(12)])
    found = [PairSplit("leave_one_out", seed=seed).parts(table) for seed in range(6)]
    for part in (VAL, TEST):
        assert len({int((parts == part).argmax()) for parts in found}) > 2
    again = PairSplit("leave_one_out", seed=0).parts(table)
    assert again.tolist() == found[0].tolist()


def test_the_last_pairs_of_a_user_are_those_of_the_latest_times() -> None:
    table = table_of([(user, item, 9 - item) for user in (0, 1) for item in range(4)])
    parts = PairSplit("leave_one_out").parts(table)
    assert parts.tolist() == [TEST, VAL, TRAIN, TRAIN] * 2
