"""Users of a test are kept for each row, and compared and grouped."""

from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from experiments.results import tables
from experiments.results.differences import differences
from experiments.results.runs import Run
from experiments.results.tables import Column, Table
from experiments.results.user_values import (
    groups_of,
    keep_users,
    read_users,
    table_of_users,
    values_of_users,
)

N = 30
TABLE = Table("T", [Column("recall@5", "recall@5")], 3, ["a", "b"], by_user=True)


pytestmark = pytest.mark.usefixtures("docs")


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tables.TABLES, "t", TABLE)


def finished(
    folder: Path, method: str, seed: int, values: Any, first_user: int = 0
) -> None:
    """Keep a run whose users have these values, as `UserMetrics` writes them."""
    columns = {
        "user": np.arange(first_user, first_user + N),
        "n_train": np.arange(N) + 1,
        "n_test": np.ones(N, dtype=np.int64),
        "popularity": np.arange(N)[::-1] * 2.0,
        "ndcg@5": np.zeros(N),
        "recall@5": np.asarray(values, dtype=np.float32),
    }
    path = folder / "users.parquet"
    polars.DataFrame(columns).write_parquet(path)
    keep_users(Run("t", method, "t", seed), path)


def test_a_row_keeps_its_users_of_every_seed(tmp_path: Path) -> None:
    values = {seed: np.full(N, seed / 4) for seed in (2, 0, 1)}
    for seed, own in values.items():
        finished(tmp_path, "a", seed, own)
    finished(tmp_path, "a", 2, np.full(N, 1.0))  # again
    users = read_users("t", "a")
    assert users is not None
    assert users.columns == [
        *("user", "n_train", "n_test", "popularity", "seed 0", "seed 1", "seed 2")
    ]
    found = values_of_users("t", "a")
    assert len(found) == 3 * N
    assert [found[("3", seed)] for seed in range(3)] == [0, 0.25, 1]
    assert not values_of_users("t", "b")


def test_other_users_are_refused(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0, np.zeros(N))
    with pytest.raises(ValueError, match=r"a\.parquet is of other users: delete it"):
        finished(tmp_path, "a", 1, np.zeros(N), first_user=1)
    users = read_users("t", "a")
    assert users is not None
    assert "seed 1" not in users.columns


def test_differences_are_tested_between_users(tmp_path: Path) -> None:
    """Each user is one observation, the mean over the seeds that both rows have."""
    random = np.random.default_rng(0)
    base = random.random(N)
    for seed in (0, 1):
        finished(tmp_path, "a", seed, base + 0.3 * random.random(N))
    finished(tmp_path, "b", 0, base)
    heading, row = differences("t", TABLE, [])
    assert heading[0] == "a minus"
    assert heading[3] == "users"
    a = values_of_users("t", "a")
    expected = np.mean([a[(str(user), 0)] - base[user] for user in range(N)])
    assert float(row[1]) == pytest.approx(expected, abs=0.005)
    assert row[3] == str(N)
    assert float(row[4]) == pytest.approx(2 / 2**N, rel=0.2)
    assert row[-1] == "real"


def test_equal_rows_may_differ_by_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for method in "ab":
        finished(tmp_path, method, 0, random.random(N))
    (_, row) = differences("t", TABLE, [])
    assert row[-1] == "may be chance"


def test_users_are_shown_by_activity_and_popularity(tmp_path: Path) -> None:
    third = N // 3
    for seed in (0, 1):
        finished(tmp_path, "b", seed, np.repeat([0.1, 0.2, 0.6], third) + 0.2 * seed)
    runs = [
        {"method": "b", "metrics": {"coverage@5": share, "novelty@5": 9.0}}
        for share in (0.25, 0.75)
    ]
    heading, row = table_of_users("t", TABLE, runs)
    assert heading == [
        *("method", "1 to 10 pairs", "11 to 20 pairs", "21 to 30 pairs"),
        *("items of 0 to 18 users", "items of 20 to 38 users"),
        *("items of 40 to 58 users", "coverage@5", "popularity@5", "novelty@5"),
    ]
    shares = ["0.20", "0.30", "0.70"]
    assert row == ["b", *shares, *reversed(shares), "0.500", "-", "9.000"]


def test_no_row_with_users_has_no_table() -> None:
    assert not list(table_of_users("t", TABLE, []))


def test_equal_amounts_are_in_one_part() -> None:
    parts = groups_of(np.array([7.0, 7, 7, 7, 7, 9]))
    assert {name: part.tolist() for name, part in parts.items()} == {
        "7": [True] * 5 + [False],
        "9": [False] * 5 + [True],
    }
