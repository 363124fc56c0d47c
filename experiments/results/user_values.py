"""The first metric of a table for each user of the test, in docs/results/users.

Each row of a table has a file: a line for each user, with ``n_train``, ``n_test`` and
``popularity`` as `UserMetrics` writes them, and a column for each seed. The tests of
differences are between users, and the table of users says for whom a method works.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import polars
from numpy.typing import NDArray

from experiments import records
from experiments.jobs import locked
from experiments.records import Record
from experiments.results.formats import mean_of
from experiments.results.runs import Run, users_file
from experiments.results.tables import TABLES, Column, Table
from lightning_modules.core.files import write_whole

OF_USERS = ("user", "n_train", "n_test", "popularity")
PARTS = 3  # of the users, equally many in each
AMOUNTS = {"n_train": "up to {} pairs", "popularity": "items of up to {} users"}
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
            _check_same(path, earlier, users)
            users = users.with_columns(
                earlier.select(set(earlier.columns) - set(users.columns))
            )
        users = users.select(*OF_USERS, *sorted(_seeds(users)))
        write_whole(path, lambda file: users.write_parquet(file))


def _check_same(path: Path, earlier: polars.DataFrame, users: polars.DataFrame) -> None:
    if not earlier.select(OF_USERS).equals(users.select(OF_USERS)):
        raise ValueError(f"{path} is of other users: delete it and its runs.")


def _seeds(users: polars.DataFrame) -> list[str]:
    return [name for name in users.columns if name not in OF_USERS]


def read_users(table: str, method: str) -> polars.DataFrame | None:
    """The users of a row; None if it has no finished run."""
    path = users_file(table, method)
    return polars.read_parquet(path) if path.exists() else None


def values_of_users(
    table: str, method: str, seeds: Collection[int]
) -> dict[tuple[str, int], float]:
    """The metric of a row by user and seed, of those seeds that it has."""
    users = read_users(table, method)
    if users is None:
        return {}
    names = users["user"].cast(str).to_list()
    return {
        (user, seed): value
        for seed in seeds
        if f"seed {seed}" in users.columns
        for user, value in zip(names, users[f"seed {seed}"].to_list(), strict=True)
    }


def table_of_users(
    name: str, table: Table, runs: Sequence[Record]
) -> Iterator[list[str]]:
    """The first metric by activity and popularity, and what users are shown.

    Nothing if no row has users.

    Raises:
        ValueError: The rows are of different users.
    """
    rows = {method: read_users(name, method) for method in table.methods}
    found = {method: users for method, users in rows.items() if users is not None}
    if not found:
        return
    first = next(iter(found.values()))
    for method, users in found.items():
        _check_same(users_file(name, method), first, users)
    groups = [
        (words.format(up_to), group)
        for amount, words in AMOUNTS.items()
        for up_to, group in groups_of(first[amount].to_numpy())
    ]
    exposure = _exposure(runs)
    yield ["method", *(label for label, _ in groups), *(c.heading for c in exposure)]
    for method, users in found.items():
        mean = users.select(polars.mean_horizontal(_seeds(users))).to_series()
        values = mean.to_numpy()
        shares = [table.columns[0].show(float(values[g].mean())) for _, g in groups]
        own = [run for run in runs if run["method"] == method]
        yield [method, *shares, *(mean_of(own, column) for column in exposure)]


def _exposure(runs: Sequence[Record]) -> list[Column]:
    """Columns of what users are shown, at the cut-off that the runs have."""
    keys = (key for run in runs for key in run["metrics"])
    k = next((key.partition("@")[2] for key in keys if key.startswith("coverage@")), "")
    return [Column(f"{word}@{k}", f"{word}@{k}", "{:.3f}") for word in EXPOSURE if k]


def groups_of(amounts: NDArray[np.float64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """The parts of the users by an amount, each with its largest amount.

    None where nearly all have the same: a part would be less than a twentieth.

    >>> groups = groups_of(np.array([1.0, 9, 4, 4, 2, 30]))
    >>> [(up_to, int(group.sum())) for up_to, group in groups]
    [('2', 2), ('4', 2), ('30', 2)]
    """
    edges = np.quantile(amounts, np.arange(1, PARTS) / PARTS)
    part = np.searchsorted(edges, amounts)
    groups = [part == number for number in np.unique(part)]
    if min(map(np.sum, groups)) < len(amounts) / 20:
        return []
    return [(f"{amounts[group].max():,.0f}", group) for group in groups]
