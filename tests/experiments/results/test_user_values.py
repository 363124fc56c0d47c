"""Users of a test are kept for each row, and compared and grouped."""

from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from experiments.results import tables
from experiments.results.differences import differences
from experiments.results.runs import Run, finished_runs, write_record
from experiments.results.tables import Column, Table
from experiments.results.user_values import (
    groups_of,
    keep_users,
    read_users,
    table_of_users,
    values_of_users,
)
from wasserstein_critics.cli.config_files import read_config
from wasserstein_critics.shipped import FOLDER

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
    found = values_of_users("t", "a", range(3))
    assert len(found) == 3 * N
    assert [found[("3", seed)] for seed in range(3)] == [0, 0.25, 1]
    assert len(values_of_users("t", "a", [1, 7])) == N  # of runs that have a record
    assert not values_of_users("t", "b", [0])


def test_a_run_without_its_users_is_not_finished(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0, np.zeros(N))
    for seed in (0, 1):
        write_record(Run("t", "a", "t", seed), {"recall@5": 0.0}, 1.0, "abc")
    assert finished_runs("t") == {Run("t", "a", "t", 0)}


def test_other_users_are_refused(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0, np.zeros(N))
    with pytest.raises(ValueError, match=r"a\.parquet is of other users: delete it"):
        finished(tmp_path, "a", 1, np.zeros(N), first_user=1)
    users = read_users("t", "a")
    assert users is not None
    assert "seed 1" not in users.columns


def recorded(**seeds: int) -> list[dict[str, Any]]:
    """Records of so many seeds of each row."""
    return [
        {"method": method, "seed": seed}
        for method, n in seeds.items()
        for seed in range(n)
    ]


def test_differences_are_tested_between_users(tmp_path: Path) -> None:
    """Each user is one observation, the mean over the seeds that both rows have."""
    random = np.random.default_rng(0)
    base = random.random(N)
    for seed in range(4):
        finished(tmp_path, "a", seed, base + 0.3 * random.random(N) + 0.1)
    for seed in range(3):
        finished(tmp_path, "b", seed, base)
    heading, row = differences("t", TABLE, recorded(a=4, b=3))
    assert heading[0] == "a minus"
    assert heading[3] == "users"
    a = values_of_users("t", "a", range(3))
    expected = np.mean([a[(str(u), s)] - base[u] for u in range(N) for s in range(3)])
    assert float(row[1]) == pytest.approx(expected, abs=0.005)
    assert row[3] == str(N)
    assert float(row[4]) == pytest.approx(2 / 2**N, rel=0.2)
    assert row[-1] == "real"


def test_a_lucky_seed_makes_no_real_difference(tmp_path: Path) -> None:
    """Every user gains in one run and loses a little less in the two others."""
    base = np.random.default_rng(0).random(N)
    for seed, luck in enumerate((0.5, -0.1, -0.1)):
        finished(tmp_path, "a", seed, base + luck)
        finished(tmp_path, "b", seed, base)
    (_, row) = differences("t", TABLE, recorded(a=3, b=3))
    assert float(row[5]) < 1e-4
    assert row[-1] == "may be chance"


def test_two_seeds_leave_a_difference_open(tmp_path: Path) -> None:
    for seed in range(2):
        finished(tmp_path, "a", seed, np.ones(N))
        finished(tmp_path, "b", seed, np.zeros(N))
    (_, row) = differences("t", TABLE, recorded(a=2, b=2))
    assert row[4:] == ["-", "-", "fewer than 3 seeds: open"]


def test_equal_rows_may_differ_by_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for method in "ab":
        for seed in range(3):
            finished(tmp_path, method, seed, random.random(N))
    (_, row) = differences("t", TABLE, recorded(a=3, b=3))
    assert row[-1] == "may be chance"


def test_users_are_shown_by_activity_and_popularity(tmp_path: Path) -> None:
    third = N // 3
    for seed in (0, 1):
        finished(tmp_path, "b", seed, np.repeat([0.1, 0.2, 0.6], third) + 0.2 * seed)
    runs = [
        {"method": "b", "metrics": {"coverage@3": share, "novelty@3": 9.0}}
        for share in (0.25, 0.75)
    ]
    heading, row = table_of_users("t", TABLE, runs)
    assert heading == [
        *("method", "up to 10 pairs", "up to 20 pairs", "up to 30 pairs"),
        *("items of up to 18 users", "items of up to 38 users"),
        *("items of up to 58 users", "coverage@3", "popularity@3", "novelty@3"),
    ]
    shares = ["0.20", "0.30", "0.70"]
    assert row == ["b", *shares, *reversed(shares), "0.500", "-", "9.000"]


def test_no_row_with_users_has_no_table() -> None:
    assert not list(table_of_users("t", TABLE, []))


def test_rows_of_other_users_have_no_common_table(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0, np.zeros(N))
    finished(tmp_path, "b", 0, np.zeros(N), first_user=1)
    with pytest.raises(ValueError, match=r"b\.parquet is of other users"):
        list(table_of_users("t", TABLE, []))


@pytest.mark.parametrize(
    "amounts", [[7.0, 7, 7, 7, 7, 9], [0.5, 0.5, 1.5, 1.5, 2.4, 2.4], [3.0] * 4]
)
def test_every_user_is_in_one_part_and_equal_amounts_are_in_the_same(
    amounts: list[float],
) -> None:
    groups = [group for _, group in groups_of(np.array(amounts))]
    assert (np.sum(groups, 0) == 1).all()
    for value in set(amounts):
        assert sum(group[np.array(amounts) == value].any() for group in groups) == 1


def test_users_who_are_nearly_all_alike_are_not_divided() -> None:
    assert groups_of(np.array([35.0] * 39 + [36.0])) == []
    assert len(groups_of(np.array([35.0] * 38 + [36.0] * 2))) == 2


def test_tables_of_several_tasks_are_not_compared_by_users() -> None:
    with pytest.raises(ValueError, match="users of several tasks"):
        Table("T", TABLE.columns, 1, ["a"], ["x", "y"], by_user=True)


def test_every_config_of_such_a_table_writes_users() -> None:
    """A run would train and then not be kept."""
    for name, table in tables.TABLES.items():
        for task in table.tasks_of(name) if table.by_user and name != "t" else ():
            for method in table.methods:
                config = read_config(FOLDER / f"{table.experiment(method, task)}.yaml")
                names = [c["class_path"] for c in config["trainer"]["callbacks"]]
                assert "UserMetrics" in names, (name, method)
