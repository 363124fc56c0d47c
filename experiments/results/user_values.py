"""The first metric of a table for each user of the test, in docs/results/users.

Each row of a table has a file: a line for each user, with ``n_train``, ``n_test`` and
``popularity`` as `UserMetrics` writes them, and a column for each seed. The tests of
differences are between users, and the table of users says for whom a method works.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars
from numpy.typing import NDArray

from experiments import records
from experiments.jobs import locked
from experiments.records import Record
from experiments.results.formats import mean_of
from experiments.results.runs import Run
from experiments.results.tables import TABLES, Column, Table
from lightning_modules.core.files import write_whole

OF_USERS = ("user", "n_train", "n_test", "popularity")
PARTS = 3  # of the users, equally many in each
AMOUNTS = {"n_train": "{} pairs", "popularity": "items of {} users"}
EXPOSURE = ("coverage", "popularity", "novelty")


def keep_users(run: Run, written: Path) -> None:
    """Add a finished run to the file of its row.

    Args:
        run: The run.
        written: The file of `UserMetrics`.

    Raises:
        ValueError: If other users are in the file of the row.
    """
    metric, path = TABLES[run.table].columns[0].key, users_file(run.table, run.method)
    seed = polars.col(metric).alias(f"seed {run.seed}")
    users = polars.read_parquet(written).select(*OF_USERS, seed)
    with locked(records.RUNS / run.table / "users.lock"):
        if (earlier := read_users(run.table, run.method)) is not None:
            if not earlier["user"].equals(users["user"]):
                raise ValueError(f"{path} is of other users: delete it and its runs.")
            users = users.with_columns(
                earlier.select(set(earlier.columns) - set(users.columns))
            )
        users = users.select(*OF_USERS, *sorted(_seeds(users)))
        write_whole(path, lambda file: users.write_parquet(file))


def _seeds(users: polars.DataFrame) -> list[str]:
    return [name for name in users.columns if name not in OF_USERS]


def users_file(table: str, method: str) -> Path:
    """Where the users of a row are."""
    return records.RESULTS / "users" / table / f"{method}.parquet"


def read_users(table: str, method: str) -> polars.DataFrame | None:
    """The users of a row; None if it has no finished run."""
    path = users_file(table, method)
    return polars.read_parquet(path) if path.exists() else None


def values_of_users(table: str, method: str) -> dict[tuple[str, int], float]:
    """The metric of a row, by user and seed; nothing if it has no finished run."""
    users = read_users(table, method)
    if users is None:
        return {}
    names = users["user"].cast(str).to_list()
    return {
        (user, int(seed.removeprefix("seed "))): value
        for seed in _seeds(users)
        for user, value in zip(names, users[seed].to_list(), strict=True)
    }


def table_of_users(
    name: str, table: Table, runs: Sequence[Record]
) -> Iterator[list[str]]:
    """The first metric by activity and popularity, and what users are shown.

    Nothing if no row has users.
    """
    rows = {method: read_users(name, method) for method in table.methods}
    found = {method: users for method, users in rows.items() if users is not None}
    if not found:
        return
    column, first = table.columns[0], next(iter(found.values()))
    k = column.key.partition("@")[2]
    exposure = [Column(f"{word}@{k}", f"{word}@{k}", "{:.3f}") for word in EXPOSURE]
    groups = {
        words.format(edges): group
        for amount, words in AMOUNTS.items()
        for edges, group in groups_of(first[amount].to_numpy()).items()
    }
    yield ["method", *groups, *(shown.heading for shown in exposure)]
    for method, users in found.items():
        mean = (
            users.select(polars.mean_horizontal(_seeds(users))).to_series().to_numpy()
        )
        shares = [column.show(float(mean[group].mean())) for group in groups.values()]
        own = [run for run in runs if run["method"] == method]
        yield [method, *shares, *(mean_of(own, shown) for shown in exposure)]


def groups_of(amounts: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Who is in which part of the users, by an amount; a part is named by its range.

    >>> parts = groups_of(np.array([1.0, 9, 4, 4, 2, 30]))
    >>> {name: int(part.sum()) for name, part in parts.items()}
    {'1 to 2': 2, '4': 2, '9 to 30': 2}
    """
    edges = np.quantile(amounts, np.arange(1, PARTS) / PARTS)
    group = np.searchsorted(edges, amounts)
    parts = [group == part for part in np.unique(group)]
    return {_range(amounts[part]): part for part in parts}


def _range(amounts: NDArray[np.float64]) -> str:
    low, high = round(amounts.min()), round(amounts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
